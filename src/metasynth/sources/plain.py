"""Text and Markdown files, a stretch at a time, so that a long one is never held as a whole."""

import io
from collections.abc import Iterator
from pathlib import Path

from metasynth.text.words import encodable

from .markdown import without_front_matter
from .passage import Passage, Place
from .regular import errors_in, not_utf8, open_utf8

STRETCH = 1 << 17  # characters
_ENDS = ("\n# ", "\n## ", "\n\n", "\n", " ")


def text_passages(file: Path, *, kind: str, encoding: str = "utf-8") -> Iterator[Passage]:
    """The text of a file in stretches that end between sections or paragraphs where they can.

    Raises:
        ConfigError: It cannot be read, or is no text (code `not_utf8`).
    """
    with errors_in(file), open_utf8(file, encoding) as content:
        stream = io.TextIOWrapper(content, encoding="utf-8")
        metadata: dict[str, object] = {}
        start, rest, ended = 0, "", False
        while not ended:
            try:
                block = stream.read(STRETCH)
            except UnicodeDecodeError as error:
                raise not_utf8(file, bytes(error.object), error) from None
            ended, rest = not block, rest + block
            if start == 0 and kind == "markdown":
                start, metadata = without_front_matter(rest)
                rest = rest[start:]
            while rest and (ended or len(rest) > STRETCH):
                cut = len(rest) if len(rest) <= STRETCH else _end(rest)
                yield Passage(
                    encodable(rest[:cut]),
                    Place(str(file), kind, start=start, end=start + cut),
                    metadata,
                )
                start, rest = start + cut, rest[cut:]


def stretches(passage: Passage) -> Iterator[Passage]:
    """A text that is in memory, in stretches like those of a file."""
    start, text = 0, passage.text
    while text:
        cut = len(text) if len(text) <= STRETCH else _end(text)
        place = passage.place
        yield Passage(
            text[:cut],
            Place(place.file, place.kind, place.page, place.row, "", start, start + cut),
            passage.metadata,
        )
        start, text = start + cut, text[cut:]


def _end(text: str) -> int:
    """Where the first stretch of a longer text ends."""
    for mark in _ENDS:
        place = text.rfind(mark, STRETCH // 2, STRETCH)
        if place > 0:
            return place + (1 if mark.startswith("\n") else len(mark))
    return STRETCH
