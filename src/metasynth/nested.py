"""Data of mappings and lists, as JSON holds it."""

from collections.abc import Iterator, Mapping
from typing import Any


def named_values(data: Any) -> Iterator[tuple[str, Any]]:
    """Each value that has a name, with it, at any depth; one that holds others comes first."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield str(name), value
            yield from named_values(value)
    elif isinstance(data, list):
        for value in data:
            yield from named_values(value)
