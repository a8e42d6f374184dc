"""The sample x_1 … x_n of the target distribution, and which of it is held out."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from metasynth.config.softsrv import TargetConfig, TrainingConfig
from metasynth.errors import ConfigError
from metasynth.randomness import derive_seed
from metasynth.records.rundir import write_atomically
from metasynth.sources.listing import is_table
from metasynth.sources.texts import file_texts, hub_texts

MIN_ROWS = 4  # two to train on, two held out: with fewer, contexts cannot be exchanged
_FIELD = "softsrv.target.field"


class Row(Protocol):
    """What samplers and audits read of a row: a text with its id."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class TargetRow:
    """A text of the target sample; its id depends on the text alone."""

    id: str
    text: str

    @classmethod
    def of(cls, text: str) -> "TargetRow":
        """The row of a text."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(id=f"target-{digest[:10]}", text=text)


@dataclass(frozen=True)
class TargetSample:
    """What was read: distinct texts in the order of the file, and what was left out.

    Attributes:
        notes: In sentences: rows without text, rows that were there before.
    """

    rows: list[TargetRow]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """The rows to train on and those held out, each in the order of the target sample."""

    train: list[TargetRow]
    held_out: list[TargetRow]


def load_target(config: TargetConfig) -> list[TargetRow]:
    """The rows of `read_target`, without the notes."""
    return read_target(config).rows


def read_target(config: TargetConfig) -> TargetSample:
    """The target sample, distinct by text, blanks around a text removed.

    A row of a file of rows (JSONL, JSON, Parquet, CSV) has its text in `field`; in any other file
    every line is a row. The first `limit` distinct texts are taken.

    Raises:
        ConfigError: There is no such file, it cannot be read, a row lacks the field, or no row has
            text; names the file and, where there is one, the line.
    """
    found: dict[str, TargetRow] = {}
    empty = double = 0
    for text in map(str.strip, _texts(config)):
        if not text:
            empty += 1
        elif text in found:
            double += 1
        else:
            found[text] = TargetRow.of(text)
            if len(found) == config.limit:
                break
    if not found:
        raise ConfigError(f"softsrv.target: {config.file} holds no text", code="no_text")
    counts = ((empty, "without text"), (double, "that repeat another"))
    notes = tuple(f"rows left out: {count} {what}" for count, what in counts if count)
    return TargetSample(list(found.values()), notes)


def split_target(rows: Sequence[TargetRow], config: TrainingConfig, *, seed: int) -> Split:
    """Hold out a share of the rows, at least two.

    Which ones depends on the seed and each row's text, not on its place: a row that is added to the
    file or moved in it leaves most of the others where they were.

    Raises:
        ConfigError: There are too few rows.
    """
    if len(rows) < MIN_ROWS:
        raise ConfigError(
            f"softsrv.target: {len(rows)} distinct rows are too few to train on, "
            f"{MIN_ROWS} are the least",
            hint="give more of the target, tens of rows or better hundreds",
            code="too_few_rows",
        )
    count = max(2, min(len(rows) - 2, round(config.held_out * len(rows))))
    order = sorted(rows, key=lambda row: derive_seed(seed, "held out", row.id))
    held_out = {row.id for row in order[:count]}
    return Split(
        train=[row for row in rows if row.id not in held_out],
        held_out=[row for row in rows if row.id in held_out],
    )


def write_target(path: Path, rows: Sequence[TargetRow]) -> None:
    """Write rows as JSONL; `load_target` reads them back."""
    lines = (json.dumps({"id": row.id, "text": row.text}) + "\n" for row in rows)
    write_atomically(path, "".join(lines))


def split_hash(split: Split) -> str:
    """Names the texts of a split: those trained on and those held out, in their order."""
    digest = hashlib.sha256()
    for rows in (split.train, split.held_out):
        for row in rows:
            digest.update(row.text.encode("utf-8", "surrogatepass") + b"\x00")
        digest.update(b"\x01")
    return digest.hexdigest()


def _texts(config: TargetConfig) -> Iterator[str]:
    what = "softsrv.target.file"
    if config.file.startswith("hf:"):
        name = config.file.removeprefix("hf:")
        yield from hub_texts(name, config.field, split=config.split, what=what, setting=_FIELD)
        return
    file = Path(config.file)
    if not file.exists():
        raise ConfigError(f"{what}: no such file: {file}", code="missing_file")
    texts = file_texts(file, config.field, setting=_FIELD)
    if is_table(file):
        yield from texts
    else:
        # not splitlines(): a form feed or U+2028 may stand within a row
        yield from (line for text in texts for line in text.split("\n"))
