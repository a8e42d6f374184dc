"""The JSON schema of run files, by which editors complete and check them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .marks import PART_OF
from .run import RunConfig


def run_schema(parts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """JSON schema (2020-12) of a run file as it is written, before it is resolved.

    It says less than `metasynth validate`: what depends on another key, or on a file, is not here.

    Args:
        parts: The names of the built-in parts by kind, which editors offer beside any other name.
    """
    schema = RunConfig.model_json_schema(by_alias=True)
    list_parts(schema, parts)
    for part in _objects(schema):
        part.pop("title", None)  # the key again, in capitals
    del schema["required"]  # a file that extends another need not repeat its domain
    for key, value in schema["properties"].items():
        if (
            "$ref" in value
        ):  # an empty section says nothing, and its defaults stand in its own place
            schema["properties"][key] = {"anyOf": [{"$ref": value["$ref"]}, {"type": "null"}]}
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "a run file that this one changes, relative to this file",
    }
    schema["description"] = "See `metasynth validate` for what depends on other keys and on files."
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "metasynth run file",
        **schema,
    }


def list_parts(schema: Any, parts: Mapping[str, Sequence[str]]) -> None:
    """Name the parts where a schema has a field for one; other names stay allowed."""
    if isinstance(schema, list):
        for each in schema:
            list_parts(each, parts)
    elif isinstance(schema, dict):
        if PART_OF in schema:
            _offer(schema, parts.get(schema.pop(PART_OF), ()))
        for each in list(schema.values()):
            list_parts(each, parts)


def _offer(schema: dict[str, Any], names: Sequence[str]) -> None:
    """Let a field's schema offer names: where it is a string, or a list of strings, or either."""
    if "items" in schema:
        _offer(schema["items"], names)
    for member in schema.get("anyOf", ()):
        _offer(member, names)
    if schema.get("type") == "string" and names:
        schema["anyOf"] = [{"enum": list(names)}, {"type": schema.pop("type")}]


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema, its definitions, and the schemas of their properties."""
    for part in (schema, *schema["$defs"].values()):
        yield part
        yield from part.get("properties", {}).values()
