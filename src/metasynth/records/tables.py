"""Rows written to a file that appears whole or not at all: JSON lines or Parquet."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from metasynth.errors import RequestError

from .shape import Columns, Format, Row

_GROUP = 1000  # rows of a row group


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A file to write that takes the name `path` at the end, and is gone where something failed.

    Raises:
        RequestError: There is such a file, and `force` is not given (code `exists`), or it cannot
            be written (code `not_writable`).
    """
    check_free(path, force=force)
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _synced(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise _not_writable(path, error) from None


@contextmanager
def new_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder to fill that takes the name `path` at the end, and is gone where something failed.

    With `force` it takes the place of an older one, if that holds nothing but such files.

    Raises:
        RequestError: There is something at `path` that must stay (code `exists` or `foreign`), or
            it cannot be written (code `not_writable`).
    """
    check_folder_free(path, force=force)
    partial = path.with_name(f".{path.name}.partial")
    old = path.with_name(f".{path.name}.old")
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        yield partial
        for file in partial.iterdir():
            _synced(file)
        if path.exists():
            _remove(old)
            path.replace(old)
        partial.replace(path)
        _remove(old)
    except OSError as error:
        raise _not_writable(path, error) from None
    finally:
        _remove(partial)


def check_free(path: Path, *, force: bool) -> None:
    """See that a file may be written.

    Raises:
        RequestError: It is there and `force` is not given (code `exists`), or it is a folder (code
            `foreign`).
    """
    if path.is_dir():
        raise RequestError(f"{path}: is a folder, a file is to be written here", code="foreign")
    if path.exists() and not force:
        raise _exists(path)


def check_folder_free(path: Path, *, force: bool) -> None:
    """See that a folder may be written.

    Raises:
        RequestError: It holds something and `force` is not given (code `exists`), or what is no
            export (code `foreign`).
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise RequestError(f"{path}: is a file, a folder is to be written here", code="foreign")
    files = sorted(path.iterdir())
    foreign = [f.name for f in files if f.name != "README.md" and f.suffix != ".parquet"]
    if foreign:
        raise RequestError(f"{path}: holds what no export wrote ({foreign[0]})", code="foreign")
    if files and not force:
        raise _exists(path)


def write_rows(path: Path, rows: Iterable[Row], columns: Columns, form: Format) -> int:
    """Write rows to an open place, a row at a time.

    Returns:
        How many they were.

    Raises:
        RequestError: A row holds what its column or JSON cannot (code `bad_rows`).
    """
    try:
        return _write_jsonl(path, rows) if form == "jsonl" else _write_parquet(path, rows, columns)
    except (TypeError, ValueError) as error:  # those of pyarrow among them
        raise RequestError(
            f"a row does not fit the columns {', '.join(columns)} ({error})", code="bad_rows"
        ) from error


def _exists(path: Path) -> RequestError:
    return RequestError(f"{path}: exists already", hint="--force writes over it", code="exists")


def _not_writable(path: Path, error: OSError) -> RequestError:
    reason = error.strerror or error
    return RequestError(f"{path}: cannot be written ({reason})", code="not_writable")


def _write_jsonl(path: Path, rows: Iterable[Row]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            count += 1
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _write_parquet(path: Path, rows: Iterable[Row], columns: Columns) -> int:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    schema = pa.schema([(name, _arrow(type_)) for name, type_ in columns.items()])
    texts = [name for name, type_ in columns.items() if type_ == "json"]
    count, rest = 0, iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(rest, _GROUP)):
            flat = [_flat(row, texts) for row in group]
            writer.write_table(pa.Table.from_pylist(flat, schema=schema))
            count += len(group)
    return count


def _flat(row: Row, texts: Iterable[str]) -> Row:
    """The row with what varies in shape as text; tables want one type for a column."""
    dumped = {
        name: json.dumps(row[name], ensure_ascii=False)
        for name in texts
        if row.get(name) is not None
    }
    return {**row, **dumped}


def _arrow(type_: Any) -> Any:
    import pyarrow as pa

    if isinstance(type_, list):
        return pa.list_(_arrow(type_[0]))
    if isinstance(type_, Mapping):
        return pa.struct([(name, _arrow(part)) for name, part in type_.items()])
    plain = {"string": pa.string(), "json": pa.string(), "int": pa.int64(), "token": pa.int32()}
    return plain[type_]


def _synced(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
