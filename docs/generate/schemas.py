"""The pages of run file, role file and record, from the models that validate them."""

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from metasynth.agents.roles.role import Role
from metasynth.compose.parts import builtin_parts
from metasynth.config.run import RunConfig
from metasynth.config.schema import list_parts
from metasynth.records.record import Record

from .markdown import code, table

_BOUNDS = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
_LONG = 60  # characters of a default that is still shown

_RUN_FILE = """\
# Run file

One YAML file, validated as a whole before anything starts: an unknown key, a wrong type or a
missing file ends the command with one line that names the key. Paths are relative to the file;
where a folder or a hub id may stand, it is a folder if it begins with `./`, `../`, `/` or `~` or
lies beside the file. On the command line paths are relative to where the command is started.
`extends: FILE` takes another run file as the base; `--set key.path=value` changes a key for one
command. Secrets come from the environment alone.

A key without a default is needed; every section may be left out.
"""
_ROLE_FILE = """\
# Role file

One expert, in YAML. A directory of such files is named by `--roles DIR` or by `roles:` in the run
file; a role of the same name as one of the package's replaces it.
[How to write one](../guides/own-role.md) · [the package's roles](roles.md)
"""
_RECORD = """\
# Record

One line of `corpus.jsonl` (accepted) or `rejected.jsonl` (with a `reason`). A field that is null is
left out of the line.
"""


def run_file_page() -> str:
    """Every key of a run file."""
    return "\n".join([_RUN_FILE, *_sections(RunConfig)])


def role_file_page() -> str:
    """Every key of a role file."""
    return "\n".join([_ROLE_FILE, *_sections(Role)])


def record_page() -> str:
    """Every field of a record."""
    return "\n".join([_RECORD, *_sections(Record)])


def _sections(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema(by_alias=True)
    list_parts(schema, builtin_parts())
    yield from _section(schema, schema.get("$defs", {}), path="")


def _section(schema: Mapping[str, Any], defs: Mapping[str, Any], *, path: str) -> Iterator[str]:
    """The table of one section, then the sections below it."""
    if path:
        yield f"{'##' if '.' not in path else '###'} `{path}`\n"
    if described := schema.get("description"):
        yield inspect.cleandoc(described) + "\n"
    inner = {name: _inner(field, defs) for name, field in schema["properties"].items()}
    needed = set(schema.get("required", ()))
    yield table(
        ("key", "value", "default", "what"),
        (
            (
                code(name),
                _kind(field, defs),
                _default(field, name in needed),
                _what(field, inner[name]),
            )
            for name, field in schema["properties"].items()
        ),
    )
    for name, found in inner.items():
        if found is not None:
            yield from _section(found, defs, path=f"{path}.{name}".lstrip("."))


def _inner(field: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that a key holds (or holds a list or mapping of), if it holds one."""
    for option in (field, *field.get("anyOf", ())):
        for place in (option, option.get("items"), option.get("additionalProperties")):
            if isinstance(place, dict) and "$ref" in place:
                found: Mapping[str, Any] = defs[place["$ref"].rpartition("/")[2]]
                return found if "properties" in found else None
    return None


def _kind(field: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(option, defs) for option in field["anyOf"]))
    if "$ref" in field:
        target = defs[field["$ref"].rpartition("/")[2]]
        return "section" if "properties" in target else _kind(target, defs)
    if "enum" in field or "const" in field:
        return ", ".join(code(str(each)) for each in field.get("enum", [field.get("const")]))
    kind = field.get("type")
    if kind == "array":
        return f"list of {_kind(field['items'], defs)}" if "items" in field else "list"
    if kind == "object":
        value = field.get("additionalProperties")
        return f"mapping to {_kind(value, defs)}" if isinstance(value, dict) else "mapping"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    bounds = [f"{sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field]
    return " ".join([words.get(str(kind), str(kind or "anything")), *bounds])


def _default(field: Mapping[str, Any], needed: bool) -> str:
    if needed:
        return "**needed**"
    value = field.get("default")
    if value is None or isinstance(value, dict):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return code(text) if len(text) <= _LONG else "see the source"


def _what(field: Mapping[str, Any], inner: Mapping[str, Any] | None) -> str:
    described = field.get("description") or (inner or {}).get("description", "")
    first: str = inspect.cleandoc(described).partition("\n\n")[0]
    return first
