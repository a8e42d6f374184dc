"""Parquet: a batch of rows at a time, the columns that are asked for alone."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from metasynth.errors import ConfigError

from .regular import errors_in, open_bytes
from .row import Row

_ROWS = 1024

Columns = Callable[[Sequence[str]], Sequence[str]]
"""Which of the columns that there are shall be read; it may raise."""


def parquet_rows(file: Path, columns: Columns) -> Iterator[Row]:
    """A row as an object of these columns.

    Raises:
        ConfigError: It is no Parquet file (code `not_parquet`).
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    number = 0
    with errors_in(file), open_bytes(file) as content:
        try:
            table = pq.ParquetFile(content)
            wanted = list(columns(table.schema_arrow.names))
            for batch in table.iter_batches(batch_size=_ROWS, columns=wanted):
                for value in batch.to_pylist():
                    number += 1
                    yield Row(f"{file}, row {number}", number, value)
        except pa.ArrowException as error:
            first = str(error).partition("\n")[0]
            raise ConfigError(f"{file}: not a Parquet file ({first})", code="not_parquet") from None
