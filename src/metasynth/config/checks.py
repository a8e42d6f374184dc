"""What values of a run file must hold beyond their types, each with a code for callers."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

CODES = ("bad_address", "contradiction", "reserved_field", "finite_number")
"""The types of errors that are codes by themselves."""

_OURS = ("messages", "model", "tools", "functions", "stream", "stream_options", "n")


def contradiction(text: str) -> PydanticCustomError:
    """The error of values that rule each other out; `text` names the keys."""
    return PydanticCustomError("contradiction", "{text}", {"text": text})


def _address(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        well_formed = bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number or out of range, or a bad IPv6 address
        well_formed = False
        parts = urlsplit("")
    if (
        not well_formed
        or parts.scheme not in ("http", "https")
        or any(char.isspace() or not char.isprintable() for char in value)
    ):
        raise PydanticCustomError(
            "bad_address",
            "expected an address such as http://localhost:8000/v1, got {value}",
            {"value": repr(value)},
        )
    return value


def _body(value: dict[str, Any] | None) -> dict[str, Any] | None:
    for name in value or {}:
        if name in _OURS:
            raise PydanticCustomError(
                "reserved_field", "the field {name} is the program's own", {"name": repr(name)}
            )
    for number in _numbers(value):
        if number != number or number in (float("inf"), float("-inf")):
            raise PydanticCustomError("finite_number", "JSON has no infinite numbers")
    return value


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(inner, list | tuple) or isinstance(value, Mapping):
        for each in inner:
            yield from _numbers(each)


ADDRESS = AfterValidator(_address)
"""An http or https URL with a host and a port that there can be."""

EXTRA_BODY = AfterValidator(_body)
"""Fields beside the program's own, which JSON can hold."""
