"""Texts out of files of the user: JSON lines (plain or gzipped), Parquet, text, or a hub's rows.

Whatever is wrong with a file is told with its name, its line and the setting that would mend it.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from metasynth.errors import ConfigError

from .words import encodable


def file_texts(file: Path, field: str, *, setting: str) -> Iterator[str]:
    """The text of each row of a JSONL, JSONL.gz or Parquet file, the whole of any other file.

    Args:
        file: Its name decides how it is read.
        field: The field of a row, or the column, that holds the text.
        setting: What names that field, for hints.

    Raises:
        ConfigError: The file cannot be read, or a row has no text; names file and line.
    """
    with _errors_told(file):
        if _is_table(file):
            for row, where in _rows(file, [field], setting):
                yield _text_of(row, field, where, setting)
        else:
            yield read_text(file)


class PlacedText(NamedTuple):
    """A text and where it stands, as a person would look it up: file, line, field."""

    text: str
    place: str


def placed_texts(file: Path, fields: Sequence[str], *, setting: str) -> Iterator[PlacedText]:
    """Every text in these fields of a JSONL, JSONL.gz or Parquet file, or every line of any other.

    A row may lack some of the fields but not all; a field may hold a list of texts. Texts without
    anything but blanks are left out.

    Raises:
        ConfigError: The file cannot be read, a row has none of the fields, or one holds no text.
    """
    with _errors_told(file):
        if not _is_table(file):
            # not splitlines(): a form feed or U+2028 may stand within a line
            lines = enumerate(read_text(file).split("\n"), start=1)
            yield from (PlacedText(line, f"{file}, line {n}") for n, line in lines if line.strip())
            return
        for row, where in _rows(file, fields, setting):
            present = [name for name in fields if isinstance(row, dict) and name in row]
            for name in present or fields[:1]:
                for text in _texts_in(row, name, where, setting):
                    if text.strip():
                        yield PlacedText(text, f"{where}, {name}")


@contextmanager
def _errors_told(file: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{file}: a damaged gzip file ({error})", code="damaged_file") from None
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read ({error.strerror or error})", code="unreadable_file"
        ) from None


def _is_table(file: Path) -> bool:
    return is_jsonl(file) or file.suffix.lower() == ".parquet"


def is_jsonl(file: Path) -> bool:
    """Whether a file is one of JSON lines, by its name."""
    return file.name.lower().endswith((".jsonl", ".jsonl.gz"))


def hub_texts(name: str, field: str, *, split: str, what: str, setting: str) -> Iterator[str]:
    """The text of each row of a data set on a hub, streamed.

    Args:
        name: Of the data set.
        field: The field of a row that holds the text.
        split: Of the data set.
        what: The setting that named the data set.
        setting: The one that named the field, for hints.

    Raises:
        ConfigError: There is no such data set, it cannot be reached, or a row has no text.
    """
    from datasets import load_dataset  # type: ignore[import-untyped]

    try:
        rows = load_dataset(name, split=split, streaming=True)
    except Exception as error:  # the hub's client raises many kinds
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{what}: hf:{name} cannot be loaded: {first}", code="hub_failed"
        ) from error
    for number, row in enumerate(rows, start=1):
        yield _text_of(row, field, f"hf:{name}, row {number}", setting)


def read_text(file: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        ConfigError: It cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error})", code="unreadable_file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file}: cannot be read as UTF-8 text ({error})", code="not_utf8"
        ) from None


def _rows(file: Path, fields: Sequence[str], setting: str) -> Iterator[tuple[Any, str]]:
    """Each row of a table with its place; of a Parquet file the columns in `fields` alone."""
    return _jsonl_rows(file) if is_jsonl(file) else _parquet_rows(file, fields, setting)


def _jsonl_rows(file: Path) -> Iterator[tuple[Any, str]]:
    with _opened(file) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise ConfigError(f"{file}, line {number}: not JSON", code="not_json") from None
            yield row, f"{file}, line {number}"


def _opened(file: Path) -> BinaryIO:
    if file.suffix.lower() == ".gz":
        return gzip.open(file, "rb")  # type: ignore[return-value]
    return file.open("rb")


def _parquet_rows(
    file: Path, fields: Sequence[str], setting: str
) -> Iterator[tuple[dict[str, Any], str]]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.ParquetFile(file)
        columns = [name for name in fields if name in table.schema_arrow.names]
        if not columns:
            wanted = " or ".join(map(repr, fields))
            raise ConfigError(
                f"{file}: no column {wanted}; it has: {', '.join(table.schema_arrow.names)}",
                hint=f"name the column with {setting}",
                code="missing_field",
            )
        number = 0
        for batch in table.iter_batches(columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield row, f"{file}, row {number}"
    except pa.ArrowException as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{file}: not a Parquet file ({first})", code="not_parquet") from None


def _texts_in(row: Any, field: str, where: str, setting: str) -> list[str]:
    """The texts of a field that is there: one, a list of them, or none where it is null."""
    value = row.get(field) if isinstance(row, dict) else None
    if value is None and isinstance(row, dict) and field in row:
        return []
    if isinstance(value, list):
        return [_text_of({field: part}, field, where, setting) for part in value]
    return [_text_of(row, field, where, setting)]


def _text_of(row: Any, field: str, where: str, setting: str) -> str:
    value = row.get(field) if isinstance(row, dict) else None
    if isinstance(value, str):
        return encodable(value)
    if value is not None:
        raise ConfigError(
            f"{where}: field {field!r} holds no text but {type(value).__name__}", code="not_text"
        )
    fields = ", ".join(row) if isinstance(row, dict) else type(row).__name__
    raise ConfigError(
        f"{where}: no text in field {field!r}; it has: {fields}",
        hint=f"name the field with {setting}",
        code="missing_field",
    )
