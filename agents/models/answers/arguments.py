"""Arguments of a call brought into the form that the tool's schema asks for.

Only where the meaning is plain: what cannot be told is left as it came, for the tool to refuse.
"""

import re
from collections.abc import Mapping
from typing import Any

from .loose_json import loose_json

Schema = Mapping[str, Any]
_NOTHING = ("null", "none", "undefined", "n/a")
_WRAPPERS = ("arguments", "parameters", "args", "kwargs", "params", "input", "properties")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def fitted_arguments(arguments: Any, schema: Schema) -> Any:
    """The arguments as an object with the schema's properties, unknown ones left out.

    Args:
        arguments: What the model wrote: an object, or JSON, once or twice encoded.
        schema: The JSON schema of the tool's arguments.
    """
    properties: Mapping[str, Schema] = schema.get("properties") or {}
    value = _decoded(arguments)
    if isinstance(value, list) and len(value) == 1:
        value = _decoded(value[0])
    if value is None or value == "":
        value = {}
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, inner),) = value.items()
        if key in _WRAPPERS and key not in properties:
            value = _decoded(inner)
    required = schema.get("required") or ()
    if not isinstance(value, Mapping):
        names = list(required) or list(properties)
        if len(names) != 1:
            return arguments
        value = {names[0]: value}
    return _object(value, schema, schema)


def _decoded(value: Any) -> Any:
    """A value out of its JSON, however often it was encoded."""
    for _ in range(3):
        if not isinstance(value, str) or not value.strip().startswith(("{", "[", '"', "```")):
            break
        try:
            value = loose_json(value)
        except ValueError:
            break
    return value


def _object(value: Mapping[str, Any], schema: Schema, root: Schema) -> dict[str, Any]:
    properties: Mapping[str, Schema] = schema.get("properties") or {}
    if not properties:
        return dict(value)
    required = schema.get("required") or ()
    others = schema.get("additionalProperties")
    open_ended = others is True or isinstance(others, Mapping)
    by_letters = {re.sub(r"[\W_]+", "", name).lower(): name for name in properties}
    fitted: dict[str, Any] = {}
    for key, part in value.items():
        name = key if key in properties else by_letters.get(re.sub(r"[\W_]+", "", str(key)).lower())
        if name is None or (name != key and name in value):
            if open_ended:
                fitted[key] = part
            continue
        own = _resolved(properties[name], root)
        if _means_nothing(part, own) and name not in required:
            continue
        fitted[name] = _fit(part, own, root)
    return fitted


def _means_nothing(value: Any, schema: Schema) -> bool:
    kinds = _kinds(schema)
    if value is None:
        return "null" not in kinds
    if isinstance(value, str) and "string" not in kinds and kinds:
        return not value.strip() or value.strip().lower() in _NOTHING
    return False


def _fit(value: Any, schema: Schema, root: Schema) -> Any:
    """The value as the schema wants it, where one way of reading it does."""
    schema = _resolved(schema, root)
    kinds = _kinds(schema)
    if choices := schema.get("enum"):
        return _choice(value, choices)
    if not kinds or _is(value, kinds):
        return _inside(value, schema, root)
    if isinstance(value, str):
        decoded = _decoded(value)
        if decoded is not value and _is(decoded, kinds):
            return _inside(decoded, schema, root)
    if "array" in kinds:
        return _inside(_listed(value), schema, root)
    if isinstance(value, list) and len(value) == 1:
        return _fit(value[0], schema, root)
    if "object" in kinds:
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        return _fit(next(iter(value.values())), schema, root)
    return _scalar(value, kinds)


def _inside(value: Any, schema: Schema, root: Schema) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {}
        parts = [part for part in value if part is not None] if items else value
        return [_fit(part, items, root) for part in parts]
    if isinstance(value, Mapping):
        return _object(value, schema, root)
    return value


def _listed(value: Any) -> list[Any]:
    """One value as a list; names with commas between them are several."""
    if not isinstance(value, str):
        return [value]
    parts = [part.strip() for part in value.strip().strip("[]").split(",")]
    if all(part and not re.search(r"\s", part) for part in parts):
        return [part.strip("\"'") for part in parts]
    return [value] if value.strip() else []


def _scalar(value: Any, kinds: set[str]) -> Any:
    if "string" in kinds and isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str):
        text = value.strip()
        if "integer" in kinds and re.fullmatch(r"[+-]?\d{1,18}(?:\.0+)?", text):
            return int(float(text)) if "." in text else int(text)
        if "number" in kinds and re.fullmatch(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?", text):
            return float(text)
        if "boolean" in kinds:
            return _TRUTH.get(text.lower(), value)
    if isinstance(value, float) and "integer" in kinds and value.is_integer():
        return int(value)
    return value


def _choice(value: Any, choices: list[Any]) -> Any:
    """The choice that is meant, or the value as it is."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value in choices or not isinstance(value, str):
        return value
    letters = re.sub(r"[\W_]+", "", value).lower()
    meant = [one for one in choices if re.sub(r"[\W_]+", "", str(one)).lower() == letters]
    return meant[0] if meant else value


def _kinds(schema: Schema) -> set[str]:
    """The types that a schema takes; none where it takes all."""
    kind = schema.get("type")
    if kind is not None:
        return {kind} if isinstance(kind, str) else set(kind)
    kinds: set[str] = set()
    for part in (*(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())):
        kinds |= _kinds(part)
    return kinds


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema behind a reference; of a choice between one and null, that one."""
    if reference := schema.get("$ref"):
        name = str(reference).rpartition("/")[2]
        definitions: Mapping[str, Schema] = root.get("$defs") or root.get("definitions") or {}
        return definitions.get(name, {})
    choices = schema.get("anyOf") or schema.get("oneOf") or ()
    real = [choice for choice in choices if choice.get("type") != "null"]
    if len(real) == 1 and len(choices) == 2 and "type" not in schema:
        return {**_resolved(real[0], root), "type": [*_kinds(_resolved(real[0], root)), "null"]}
    return schema


def _is(value: Any, kinds: set[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if value is None:
        return "null" in kinds
    if isinstance(value, int):
        return bool(kinds & {"integer", "number"})
    if isinstance(value, float):
        return "number" in kinds
    if isinstance(value, str):
        return "string" in kinds
    return ("array" if isinstance(value, list) else "object") in kinds
