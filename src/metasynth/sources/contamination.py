"""A test set out of files, for texts to be checked against."""

from collections.abc import Sequence
from pathlib import Path

from metasynth.errors import ConfigError
from metasynth.text.contamination import Contamination

from .texts import placed_texts


def read_contamination(
    files: Sequence[Path], fields: Sequence[str], *, ngram: int = 13, setting: str
) -> Contamination:
    """The test set in these files (of rows, or a text a line).

    Args:
        files: Read one after the other, a row at a time.
        fields: Those of a row that hold texts; each is a test text of its own.
        ngram: As in `Contamination`.
        setting: What named the fields, for hints.

    Raises:
        ConfigError: A file cannot be read, a row has none of the fields, or there is no text.
    """
    rows = (row for file in files for row in placed_texts(file, fields, setting=setting))
    found = Contamination(rows, ngram=ngram)
    if not found.size:
        raise ConfigError(f"{', '.join(map(str, files))}: no text to check against", code="no_text")
    return found
