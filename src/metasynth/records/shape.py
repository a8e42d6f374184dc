"""Shapes of rows: what a record becomes for those who read an export.

A shape is one file in `records/shapes`, or in a directory of plug-ins, and is called by its name:

    # my_parts/alpaca.py
    from metasynth.records.shape import shape

    @shape(
        "an instruction and its first answer",
        columns={"instruction": "string", "output": "string"},
        kinds=("instruction",),
        readers="Alpaca's scripts",
    )
    def alpaca(record):
        yield {"instruction": record.messages[0].content, "output": record.messages[1].content}
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from metasynth.registry import Registry

if TYPE_CHECKING:
    from .record import Record

Row = dict[str, Any]
Columns = Mapping[str, Any]
"""The type of each column: `string`, `int`, `token`, `json`, a list with the type of its parts, or
fields with theirs. `json` is one value of any kind, which a table holds as its text."""
Format = Literal["jsonl", "parquet"]
Kind = Literal["document", "instruction"]
Rows = Callable[..., Iterable[Row]]
_Rows = TypeVar("_Rows", bound=Rows)

MESSAGES = [{"role": "string", "content": "string"}]
LINEAGE: Columns = {
    "id": "string",
    "kind": "string",
    "domain": "string",
    "topic": "string",
    "persona": "string",
    "genre": "string",
    "source": "string",
    "seed_ids": ["string"],
    "parent_ids": ["string"],
    "experts": ["string"],
}
"""The columns that follow a shape's own, which trainers ignore."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape, as its decorator was told; see `shape`."""

    summary: str
    columns: Columns
    make: Rows
    plain_columns: Columns | None
    kinds: Sequence[Kind]
    takes: str
    formats: Sequence[Format]
    readers: str
    lineage: bool

    @property
    def made_by(self) -> Rows:
        """The function, by whose module the registry knows the part."""
        return self.make

    def all_columns(self, *, plain: bool = False) -> Columns:
        """The columns in their order, lineage included."""
        own = self.columns if not plain or self.plain_columns is None else self.plain_columns
        return {**own, **LINEAGE} if self.lineage else own

    def rows(self, records: "Iterable[Record]", *, plain: bool = False) -> Iterator[Row]:
        """The rows of records, in their order.

        Args:
            plain: Conversations as plain text, where the shape has that form.
        """
        for record in records:
            if record.kind not in self.kinds:
                continue
            own = self.make(record) if self.plain_columns is None else self.make(record, plain)
            for row in own:
                if self.lineage:
                    row = {**row, **{name: getattr(record, name) for name in LINEAGE}}
                yield row


SHAPES = Registry[Shape]("shape", "metasynth.records.shapes")


def shape(
    summary: str,
    *,
    columns: Columns,
    plain_columns: Columns | None = None,
    kinds: Sequence[Kind] = ("document", "instruction"),
    takes: str = "",
    formats: Sequence[Format] = ("jsonl", "parquet"),
    readers: str = "",
    lineage: bool = True,
    name: str | None = None,
) -> Callable[[_Rows], _Rows]:
    """Add a shape: the function below makes the rows of one record.

    Args:
        summary: What a row holds, for help and documentation.
        columns: The type of each column in order, see `Columns`.
        plain_columns: Those with conversations as plain text, for models without a chat template.
            Where there are any, the function is called with the record and whether they are meant,
            otherwise with the record alone.
        kinds: Records of other kinds give no row.
        takes: Which records give a row, where their kind does not say it.
        formats: The files that it may be written to.
        readers: Who reads such rows, for documentation.
        lineage: Whether the columns of `LINEAGE` follow.
        name: Instead of the file's name, where there is no file.
    """

    def add(make: _Rows) -> _Rows:
        part = Shape(summary, columns, make, plain_columns, kinds, takes, formats, readers, lineage)
        SHAPES.add(part, module=make.__module__, name=name)
        return make

    return add
