"""Texts out of files of the user: JSON lines (plain or gzipped), Parquet, text, or a hub's rows.

Whatever is wrong with a file is told with its name, its line and the setting that would mend it.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from metasynth.errors import ConfigError
from metasynth.text import encodable


def file_texts(file: Path, field: str, *, setting: str) -> Iterator[str]:
    """The text of each row of a JSONL, JSONL.gz or Parquet file, the whole of any other file.

    Args:
        file: Its name decides how it is read.
        field: The field of a row, or the column, that holds the text.
        setting: What names that field, for hints.

    Raises:
        ConfigError: The file cannot be read, or a row has no text; names file and line.
    """
    try:
        if is_jsonl(file):
            yield from _jsonl_texts(file, field, setting)
        elif file.suffix.lower() == ".parquet":
            yield from _parquet_texts(file, field, setting)
        else:
            yield read_text(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{file}: a damaged gzip file ({error})") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error})") from None


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
        raise ConfigError(f"{what}: hf:{name} cannot be loaded: {first}") from error
    for number, row in enumerate(rows, start=1):
        yield _text_of(row, field, f"hf:{name}, row {number}", setting)


def read_text(file: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        ConfigError: It cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text ({error})") from None


def _jsonl_texts(file: Path, field: str, setting: str) -> Iterator[str]:
    with _opened(file) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise ConfigError(f"{file}, line {number}: not JSON") from None
            yield _text_of(row, field, f"{file}, line {number}", setting)


def _opened(file: Path) -> BinaryIO:
    if file.suffix.lower() == ".gz":
        return gzip.open(file, "rb")  # type: ignore[return-value]
    return file.open("rb")


def _parquet_texts(file: Path, field: str, setting: str) -> Iterator[str]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.ParquetFile(file)
        if field not in table.schema_arrow.names:
            raise ConfigError(
                f"{file}: no column {field!r}; it has: {', '.join(table.schema_arrow.names)}",
                hint=f"name the column with {setting}",
            )
        number = 0
        for batch in table.iter_batches(columns=[field]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield _text_of({field: value}, field, f"{file}, row {number}", setting)
    except pa.ArrowException as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{file}: not a Parquet file ({first})") from None


def _text_of(row: Any, field: str, where: str, setting: str) -> str:
    value = row.get(field) if isinstance(row, dict) else None
    if isinstance(value, str):
        return encodable(value)
    if value is not None:
        raise ConfigError(f"{where}: field {field!r} holds no text but {type(value).__name__}")
    fields = ", ".join(row) if isinstance(row, dict) else type(row).__name__
    raise ConfigError(
        f"{where}: no text in field {field!r}; it has: {fields}",
        hint=f"name the field with {setting}",
    )
