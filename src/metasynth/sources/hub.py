"""Rows of a data set on a hub, streamed."""

from collections.abc import Iterator
from typing import Any

from metasynth.errors import ConfigError

from .row import Row


def hub_rows(name: str, *, split: str, what: str) -> Iterator[Row]:
    """The rows of a split.

    Args:
        what: The setting that named the data set.

    Raises:
        ConfigError: There is no such data set, it cannot be reached, or a row cannot be had (code
            `hub_failed`).
    """
    from datasets import load_dataset  # type: ignore[import-untyped]

    number = 0
    try:
        for value in load_dataset(name, split=split, streaming=True):
            number += 1
            yield Row(f"hf:{name}, row {number}", number, _plain(value))
    except ConfigError:
        raise
    except Exception as error:  # the hub's client and the readers below it raise many kinds
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        done = f"fails after row {number}" if number else "cannot be loaded"
        raise ConfigError(f"{what}: hf:{name} {done}: {first}", code="hub_failed") from error


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else value
