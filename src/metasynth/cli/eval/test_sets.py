"""The texts of test sets: files, data sets of a hub, and benchmarks by their name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasynth.errors import RequestError
from metasynth.eval.tasks.catalogue.tasks import TASKS
from metasynth.eval.tasks.data_sets import load_task_rows
from metasynth.eval.text_corpus import CorpusLayout
from metasynth.sources.texts import hub_texts, placed_texts
from metasynth.text.contamination import PlacedText
from metasynth.text.words import count_words, encodable

from .inputs import read_corpora

MIN_WORDS = 8  # of a benchmark's texts: shorter ones are answers, titles and names


@dataclass(frozen=True)
class TestSets:
    """What the command line says of test sets.

    Attributes:
        given: A file each, hf:NAME, or the name of a benchmark.
        fields: Of a row, each a text; none: what the file's form says, of a benchmark every text
            of `MIN_WORDS` words or more.
        split: Of hf:NAME.
        data: Folder of data sets, where benchmarks are looked for; None: the hub.
    """

    __test__ = False  # the name is no test's

    given: Sequence[str]
    fields: tuple[str, ...]
    split: str
    data: Path | None

    def texts(self, layout: CorpusLayout) -> Iterator[PlacedText]:
        """Every text, with its place.

        Raises:
            RequestError: A test set cannot be had, or has no text.
        """
        for given in self.given:
            path = Path(given).expanduser()
            if given.startswith("hf:"):
                yield from self._of_hub(given.removeprefix("hf:"))
            elif given in TASKS and not path.exists():
                yield from self._of_benchmark(given)
            elif not path.is_file() or not self.fields:
                (corpus,) = read_corpora([given], layout)
                yield from (PlacedText(text.text, text.place) for text in corpus.documents)
            else:
                yield from placed_texts(path, self.fields, setting="--test-field")

    def _of_hub(self, name: str) -> Iterator[PlacedText]:
        for field in self.fields or ("text",):
            texts = hub_texts(
                name, field, split=self.split, what="--test-set", setting="--test-field"
            )
            for number, text in enumerate(texts, start=1):
                yield PlacedText(text, f"hf:{name}, row {number}, {field}")

    def _of_benchmark(self, name: str) -> Iterator[PlacedText]:
        rows = load_task_rows(TASKS[name].rows, folder=self.data)
        found = False
        for number, row in enumerate(rows, start=1):
            for field, text in _texts_in(row):
                top = field.partition(".")[0]
                wanted = top in self.fields if self.fields else count_words(text) >= MIN_WORDS
                if wanted and text.strip():
                    found = True
                    yield PlacedText(encodable(text), f"{name}, row {number}, {field}")
        if not found:
            what = (
                f"no text in {' or '.join(map(repr, self.fields))}"
                if self.fields
                else f"no text of {MIN_WORDS} words or more"
            )
            raise RequestError(
                f"{name}: {what} in {len(rows)} rows",
                hint="name the fields with --test-field",
                code="no_text",
            )


def _texts_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a row, however deep, with its path of keys."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts_in(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts_in(part, path)
