"""The texts of one file, without chunks: of each row, of each line, or the whole."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metasynth.errors import ConfigError
from metasynth.text.contamination import PlacedText

from .fields import joined, row_text
from .hub import hub_rows
from .jsonl import jsonl_rows
from .lines import lines, whole_text
from .listing import ROWS, is_table, kind_of
from .parquet import parquet_rows
from .reading import rows_of
from .row import Row


def file_texts(file: Path, field: str, *, setting: str) -> Iterator[str]:
    """The text of each row of a file of rows (JSONL, JSON, Parquet, CSV), the whole of any other.

    Args:
        file: Its name decides how it is read.
        field: The field of a row, or the column, that holds the text; "" where it is null.
        setting: What names that field, for hints.

    Raises:
        ConfigError: The file cannot be read, or a row has no such field; names file and line.
    """
    if not is_table(file):
        yield whole_text(file)
        return
    for row in rows_of(file, kind_of(file) or "", (field,), setting):
        yield row_text(row, (field,), setting)


def placed_texts(file: Path, fields: Sequence[str], *, setting: str) -> Iterator[PlacedText]:
    """Every text in these fields of a file of rows, or every line of any other.

    A row may lack some of the fields but not all; a field may hold a list of texts. Texts without
    anything but blanks are left out.

    Raises:
        ConfigError: The file cannot be read, a row has none of the fields, or one holds no text.
    """
    if not is_table(file):
        for line in lines(file):
            if line.problem:
                said = "cannot be read as UTF-8 text" if line.code == "not_utf8" else line.problem
                raise ConfigError(f"{file}, line {line.number}: {said}", code=line.code)
            if line.text.strip():
                yield PlacedText(line.text.rstrip("\r\n"), f"{file}, line {line.number}")
        return
    for row in rows_of(file, kind_of(file) or "", tuple(fields), setting):
        value = row.checked().value
        present = [name for name in fields if isinstance(value, Mapping) and name in value]
        if not present:
            row_text(row, fields[:1], setting)  # raises
        for name in present:
            for text in _texts_in(value[name], row, name):
                if text.strip():
                    yield PlacedText(text, f"{row.place}, {name}")


def hub_texts(name: str, field: str, *, split: str, what: str, setting: str) -> Iterator[str]:
    """The text of each row of a data set on a hub, streamed; "" where it is null.

    Args:
        name: Of the data set.
        field: The field of a row that holds the text.
        split: Of the data set.
        what: The setting that named the data set.
        setting: The one that named the field, for hints.

    Raises:
        ConfigError: There is no such data set, it cannot be reached, or a row has no such field.
    """
    for row in hub_rows(name, split=split, what=what):
        yield row_text(row, (field,), setting)


def file_rows(file: Path, *, most: int) -> Iterator[Row]:
    """The rows of a file with all that they have; a file of an unknown kind has JSON lines.

    Args:
        most: Bytes of a line of JSON.

    Raises:
        ConfigError: The file cannot be read.
    """
    kind = kind_of(file)
    if kind == "parquet":
        return parquet_rows(file, lambda names: names)
    if kind in ROWS and kind != "jsonl":
        return rows_of(file, str(kind), (), "")
    return jsonl_rows(file, most=most)


def _texts_in(value: Any, row: Row, field: str) -> list[str]:
    """The texts of a field: one, a list of them, or none where it is null."""
    if isinstance(value, list):
        return [joined(part, row.place, field) for part in value]
    return [joined(value, row.place, field)]
