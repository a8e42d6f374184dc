"""The text of a row: of a field that is named, or by the forms that rows have."""

from collections.abc import Mapping, Sequence
from typing import Any

from metasynth.errors import ConfigError
from metasynth.text.words import encodable

from .chats import KNOWN_FIELDS, in_standard_form
from .row import Row

_FORMS = (("text",), ("messages",), ("prompt", "completion"))


def row_text(row: Row, fields: Sequence[str], setting: str, *, table: bool = False) -> str:
    """The text of a row; "" where it is null.

    Args:
        fields: The first of these that a row has counts; none: `text`, else the turns of a chat,
            else prompt and completion, in the forms of ShareGPT and Alpaca too.
        setting: What names the field, for hints.
        table: Without such a field all cells count, each with its column's name.

    Raises:
        ConfigError: The row is none, has no such field (code `missing_field`), or no text in it
            (code `not_text`).
    """
    value = row.checked().value
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise _missing(row.place, fields, kind, setting, code="not_an_object")
    if fields:
        for name in fields:
            if name in value:
                return joined(value[name], row.place, name)
        raise _missing(row.place, fields, ", ".join(map(str, value)), setting)
    value = in_standard_form(value)
    for form in _FORMS:
        parts = [
            joined(value[name], row.place, name) for name in form if value.get(name) is not None
        ]
        if parts:
            return "\n\n".join(part for part in parts if part)
    if any(name in value for form in _FORMS for name in form):
        return ""  # there, and null
    if table:
        return "\n".join(f"{name}: {cell}" for name, cell in value.items() if cell)
    raise _missing(row.place, fields, ", ".join(map(str, value)) or "nothing", setting)


def joined(value: Any, place: str, field: str) -> str:
    """A text; of a list of texts, messages or parts of one their contents.

    Raises:
        ConfigError: There is something else (code `not_text`).
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        for name in ("content", "text", "value"):
            if isinstance(value.get(name), str | list):
                return joined(value[name], place, field)
        if {"role", "content"} <= set(value):
            return ""  # a turn that only calls tools
    if isinstance(value, list):
        parts = [joined(part, place, field) for part in value]
        return "\n\n".join(part for part in parts if part)
    raise ConfigError(
        f"{place}: field {field!r} holds no text but {type(value).__name__}",
        code="not_text",
    )


def wanted_columns(
    names: Sequence[str], fields: Sequence[str], setting: str, file: object
) -> list[str]:
    """The columns of a table that `row_text` looks at.

    Raises:
        ConfigError: It has none of them (code `missing_field`).
    """
    columns = [name for name in fields or KNOWN_FIELDS if name in names]
    if not columns:
        wanted = " or ".join(map(repr, fields or ("text",)))
        raise ConfigError(
            f"{file}: no column {wanted}; it has: {', '.join(names)}",
            hint=f"name the column with {setting}",
            code="missing_field",
        )
    return columns


def _missing(
    place: str, fields: Sequence[str], there: str, setting: str, *, code: str = "missing_field"
) -> ConfigError:
    wanted = " or ".join(map(repr, fields or ("text",)))
    return ConfigError(
        f"{place}: no text in field {wanted}; it has: {there}",
        hint=f"name the field with {setting}",
        code=code,
    )
