"""The JSON schema of role files, by which editors complete and check them."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .role import Role


def role_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of a role file."""
    schema = Role.model_json_schema(by_alias=True)
    del schema["description"]  # written for whoever reads the code
    for field in schema["properties"].values():
        field.pop("title", None)  # the key again, in capitals
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "metasynth role",
    }
