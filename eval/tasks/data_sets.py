"""Rows of tasks: from files of the user, or by name from a hub."""

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from metasynth.errors import ConfigError, RequestError

from .spec import TaskRow, TaskSource

_ENDINGS = (".jsonl.gz", ".jsonl", ".json.gz", ".json", ".parquet")


def read_task_rows(path: Path) -> list[TaskRow]:
    """The rows of a file: JSON lines or a JSON array, gzipped or not, or Parquet.

    Raises:
        ConfigError: It cannot be read; names file and line.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror or error})", code="unreadable"
        ) from None
    except (EOFError, zlib.error) as error:
        raise ConfigError(f"{path}: a damaged gzip file ({error})", code="damaged") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error})", code="not_utf8") from None
    if text.lstrip().startswith("["):
        return _rows(_json(text, f"{path}"), f"{path}")
    lines = enumerate(text.split("\n"), start=1)
    return [
        row
        for number, line in lines
        if line.strip()
        for row in _rows([_json(line, f"{path}, line {number}")], f"{path}, line {number}")
    ]


def load_task_rows(source: TaskSource, *, folder: Path | None) -> list[TaskRow]:
    """The rows of a source: below a folder, or from the hub where none is given.

    Raises:
        RequestError: The folder has no such file, or the hub no such data set.
    """
    if folder is None:
        return rows_of_source(_hub_rows(source), source)
    for ending in _ENDINGS:
        path = folder / f"{source.file}{ending}"
        if path.is_file():
            return rows_of_source(read_task_rows(path), source)
    raise RequestError(
        f"no file {folder / source.file}.jsonl (or .jsonl.gz, .json, .parquet)",
        hint="name the file itself with --rows, or leave --data out to load it from the hub",
        code="missing_file",
    )


def rows_of_source(rows: Iterable[TaskRow], source: TaskSource) -> list[TaskRow]:
    """The rows that belong to a source: of a field that parts them, those with its value."""
    if source.where is None:
        return list(rows)
    field, value = source.where
    return [row for row in rows if row.get(field) in (None, value)]


def _hub_rows(source: TaskSource) -> list[TaskRow]:
    if source.hub is None:
        raise RequestError(
            f"{source.file} is on no hub that we know of",
            hint="give its file with --rows or --data",
            code="no_hub",
        )
    from datasets import load_dataset  # type: ignore[import-untyped]

    name, config, split = source.hub
    try:
        return list(load_dataset(name, config, split=split))
    except Exception as error:  # the hub's client raises many kinds
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(
            f"data set {name} ({split}) cannot be loaded: {first}",
            hint="check the network, or give local files with --data or --rows",
            code="hub_failed",
        ) from error


def _parquet(path: Path) -> list[TaskRow]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        return list(pq.read_table(path).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(
            f"{path}: not a Parquet file ({str(error).partition(chr(10))[0]})", code="not_parquet"
        ) from None


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: not JSON", code="not_json") from None


def _rows(values: Any, where: str) -> list[TaskRow]:
    for value in values:
        if not isinstance(value, dict):
            raise ConfigError(
                f"{where}: a row must be an object, not {type(value).__name__}",
                code="not_an_object",
            )
    return list(values)
