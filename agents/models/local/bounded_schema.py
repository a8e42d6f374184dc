"""Make a JSON schema finite: every string, list, number and open object gets a bound.

What fits the bounded schema fits the original. Annotations that constrain nothing are dropped,
since the grammar compiler refuses keywords that it does not know.
"""

from collections.abc import Mapping
from typing import Any

MAX_ITEMS = 16
MAX_NUMBER = 10**9
DECIMALS = 1e-6  # what a number without `multipleOf` is a multiple of
MAX_KEY = r"^[A-Za-z_][A-Za-z0-9_]{0,31}$"  # the keys of objects whose keys are free

_ANNOTATIONS = {
    *("$schema", "$id", "$comment", "title", "description", "default", "examples"),
    *("deprecated", "readOnly", "writeOnly", "discriminator", "nullable", "strict"),
}
_SHORT_FORMATS = {"date-time", "time", "date", "ipv4", "ipv6", "uuid"}
_LONG_FORMATS = {"email", "hostname", "uri", "duration"}
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")
_DECIDES_ALONE = {"enum", "const", "$ref", "anyOf", "oneOf", "allOf"}


def bounded_schema(
    schema: Mapping[str, Any], *, max_string: int, closed: bool = True
) -> dict[str, Any]:
    """A finite schema whose values all fit `schema`.

    Args:
        schema: A JSON schema; it is left as it is.
        max_string: The bound of strings that have none, in characters.
        closed: Whether objects may only have the keys that are described. (The parts of an `allOf`
            describe the same object, so none of them may close it.)
    """
    node = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
    for key in _LISTS_OF_SCHEMAS:
        if key in node:
            node[key] = [_bounded(one, max_string, closed=key != "allOf") for one in node[key]]
    for key in _MAPS_OF_SCHEMAS:
        if key in node:
            node[key] = {name: _bounded(one, max_string) for name, one in node[key].items()}
    if _DECIDES_ALONE & node.keys():
        return node
    if "type" not in node:
        node["type"] = _implied_type(node)
    _bound_types(node, max_string, closed=closed)
    return node


def _bound_types(node: dict[str, Any], max_string: int, *, closed: bool) -> None:
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if "string" in kinds:
        _bound_string(node, max_string)
    if "array" in kinds:
        _bound_array(node, max_string)
    if "object" in kinds and closed:
        _bound_object(node, max_string)
    if "number" in kinds or "integer" in kinds:
        _bound_number(node, whole="number" not in kinds)


def _bounded(schema: Any, max_string: int, *, closed: bool = True) -> Any:
    if schema is True:
        schema = {}
    if not isinstance(schema, Mapping):
        return schema
    return bounded_schema(schema, max_string=max_string, closed=closed)


def _implied_type(node: Mapping[str, Any]) -> str | list[str]:
    """The types meant by a schema that names none; what says nothing at all is a scalar."""
    if node.keys() & {"properties", "patternProperties", "additionalProperties"}:
        return "object"
    if node.keys() & {"items", "prefixItems"}:
        return "array"
    return ["string", "number", "boolean", "null"]


def _bound_string(node: dict[str, Any], max_string: int) -> None:
    form = node.get("format")
    if form in _SHORT_FORMATS:
        return
    if form is not None and form not in _LONG_FORMATS:
        del node["format"]  # an annotation, says JSON schema
    limit = min(max_string, 100) if form in _LONG_FORMATS else max_string
    node.setdefault("maxLength", max(limit, node.get("minLength", 0)))


def _bound_array(node: dict[str, Any], max_string: int) -> None:
    node["items"] = _bounded(node.get("items", True), max_string)
    node.setdefault("maxItems", max(MAX_ITEMS, node.get("minItems", 0)))


def _bound_object(node: dict[str, Any], max_string: int) -> None:
    closed = "properties" in node or "patternProperties" in node
    extra = node.get("additionalProperties", not closed)
    if extra is not False and not (node.get("properties") or node.get("patternProperties")):
        node["patternProperties"] = {MAX_KEY: _bounded(extra, max_string)}
        node.setdefault("maxProperties", max(MAX_ITEMS, node.get("minProperties", 0)))
    node["additionalProperties"] = False
    for name in node.get("required", ()):  # a key that is required but nowhere described
        described = node.setdefault("properties", {})
        described.setdefault(name, _bounded(extra or True, max_string))


def _bound_number(node: dict[str, Any], *, whole: bool) -> None:
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum", node.get("exclusiveMaximum"))
    if low is None:
        node["minimum"] = -MAX_NUMBER if high is None else min(-MAX_NUMBER, high - MAX_NUMBER)
    if high is None:
        node["maximum"] = MAX_NUMBER if low is None else max(MAX_NUMBER, low + MAX_NUMBER)
    if not whole:
        node.setdefault("multipleOf", DECIMALS)
