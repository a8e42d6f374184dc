"""The JSON schema of run files, by which editors complete and check them."""

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .run import RunConfig


def run_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of a run file as it is written, before it is resolved.

    It says less than `metasynth validate`: what depends on another key, or on a file, is not here.
    """
    schema = RunConfig.model_json_schema(by_alias=True)
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


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema, its definitions, and the schemas of their properties."""
    for part in (schema, *schema["$defs"].values()):
        yield part
        yield from part.get("properties", {}).values()
