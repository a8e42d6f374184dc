"""CSV and TSV: the first line names the columns."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from metasynth.errors import ConfigError

from .lines import MAX_LINE_BYTES
from .regular import errors_in, open_utf8
from .row import Row

_DELIMITERS = ",;\t|"


def delimited_rows(file: Path, *, encoding: str = "utf-8") -> Iterator[Row]:
    """A row as an object of its columns; a missing last cell is null.

    The delimiter is a tab in TSV; in CSV the one of `, ; tab |` that the first line has most of.

    Raises:
        ConfigError: It cannot be read, is no UTF-8, or names a column twice (code `same_column`).
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    number = 0
    with errors_in(file, lambda: number), open_utf8(file, encoding) as content:
        stream = io.TextIOWrapper(content, encoding="utf-8", newline="")
        try:
            head = stream.readline(MAX_LINE_BYTES)
            reader = csv.reader(
                _with_first(head, stream), delimiter=_delimiter(file, head), strict=True
            )
            names = [name.strip() for name in next(reader, [])]
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ConfigError(f"{file}: column {twice!r} is there twice", code="same_column")
            while True:
                number = reader.line_num + 1
                place = f"{file}, line {number}"
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    yield Row(place, number, None, f"no row of a table ({error})", "bad_row")
                    continue
                if cells is None:
                    return
                if len(cells) > len(names):
                    said = f"{len(cells)} cells, and the first line names {len(names)}"
                    yield Row(place, number, None, said, "bad_row")
                elif cells:
                    cells += [None] * (len(names) - len(cells))  # type: ignore[list-item]
                    yield Row(place, number, dict(zip(names, cells, strict=True)))
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{file}: cannot be read as UTF-8 text ({error.reason} after line {number})",
                hint="convert it to UTF-8; for seeds, seeds.encoding names its encoding",
                code="not_utf8",
            ) from None


def _with_first(head: str, rest: io.TextIOWrapper) -> Iterator[str]:
    if head:
        yield head
    yield from rest


def _delimiter(file: Path, head: str) -> str:
    if file.name.lower().removesuffix(".gz").endswith((".tsv", ".tab")):
        return "\t"
    return max(_DELIMITERS, key=head.count)
