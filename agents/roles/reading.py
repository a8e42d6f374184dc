"""Reading a role file: the role, or every problem at once, each with its line."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from metasynth.agents.messages import one_line
from metasynth.agents.models.provider import PROVIDERS
from metasynth.errors import ConfigError, RequestError
from metasynth.yaml_text import YAMLTextError, compose_yaml, parse_yaml, read_regular

from .role import Role, fields
from .template import template_problems

# names that the ledger gives to others
RESERVED = ("answer", "conductor", "invented", "softsrv", "template")
_MESSAGE_WORDS = 40
_JSON_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


@dataclass(frozen=True)
class Problem:
    """What is wrong in a file, and in which line where there is one (the first is 1)."""

    line: int | None
    text: str

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


class RoleText:
    """What the text of a role file says, and where.

    Attributes:
        name: The name that it gives; empty without one.
        role: The role, as far as its fields go; None where one is wrong.
        problems: All that is wrong, in the order of the lines; a role with problems is not to be
            used.
    """

    name: str = ""
    role: Role | None = None
    problems: Sequence[Problem] = ()

    def __init__(self, text: str) -> None:
        self._root: yaml.Node | None = None
        try:
            self._root = compose_yaml(text, where="")
            data = parse_yaml(text, where="")
        except YAMLTextError as error:
            said = one_line(error.problem, most_words=_MESSAGE_WORDS)
            twice = error.code == "duplicate_key"
            self.problems = [Problem(error.line, said if twice else f"not YAML ({said})")]
            return
        if not isinstance(data, dict):
            kind = type(data).__name__
            self.problems = [Problem(None, f"expected a mapping of fields, got {kind}")]
            return
        self.name = str(data.get("name", ""))
        found = [*self._wrong_fields(data), *self._unfit(data)]
        self.problems = sorted(found, key=lambda problem: problem.line or 0)

    def line(self, *path: str | int) -> int | None:
        """The line of a key, or of an item of a list; of the nearest that there is."""
        node, line = self._root, None
        for part in path:
            step = _child(node, part)
            if step is None:
                break
            line, node = step
        return line

    def _wrong_fields(self, data: Mapping[Any, Any]) -> list[Problem]:
        try:
            self.role = Role.model_validate(data)
        except ValidationError as error:
            told = [
                Problem(self.line(*each["loc"]), _field_problem(dict(each), data))
                for each in error.errors()
                if not (each["type"] == "too_short" and data[each["loc"][0]])  # its items are told
            ]
            return list(dict.fromkeys(told))  # each member of a union has its say
        return []

    def _unfit(self, data: Mapping[Any, Any]) -> Iterator[Problem]:
        """What the types of the fields do not say."""
        if data.get("name") in RESERVED:
            yield Problem(self.line("name"), f"name: {data['name']!r} is taken, choose another")
        if isinstance(model := data.get("model"), str):
            try:
                PROVIDERS.check_value(model, "model")
            except RequestError as error:
                yield Problem(self.line("model"), error.message)
        for key in ("instructions", "short"):
            if isinstance(source := data.get(key), str):
                for row, text in template_problems(source):
                    yield self._in_template(key, row, text)
        if isinstance(schema := data.get("output"), dict):
            for path, text in _schema_problems(schema):
                key = ".".join(map(str, ("output", *path)))
                yield Problem(self.line("output", *path), f"{key}: no JSON schema: {text}")

    def _in_template(self, key: str, row: int | None, text: str) -> Problem:
        """A problem in a row of the template: of a literal text (`|`) the line is known."""
        step = _child(self._root, key)
        if step is None or row is None:
            return Problem(self.line(key), f"{key}: {text}")
        line, node = step
        if isinstance(node, yaml.ScalarNode) and node.style == "|":
            return Problem(node.start_mark.line + 1 + row, f"{key}: {text}")
        within = f"line {row} of the " if row > 1 else ""
        return Problem(line, f"{within}{key}: {text}")


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    """The line and the node of a key or an item."""
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None


def _field_problem(error: Mapping[str, Any], data: Mapping[Any, Any]) -> str:
    """One problem that pydantic found, said with its key."""
    key = str(error["loc"][0]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key {key!r}" + _suggestion(key, fields())
        case "missing":
            return f"key {key!r} is needed"
        case "literal_error" if key != "output":
            given, expected = error["input"], str(error["ctx"]["expected"])
            close = _suggestion(str(given), re.findall(r"'(\w+)'", expected))
            return f"{key}: {given!r} is none of {expected}{close}"
    if key == "output":
        return f"output: expected text or a JSON schema, got {data['output']!r}"
    if key == "tools" and error["type"] == "too_long":
        return "tools: experts have no tools yet, leave the list empty"
    if key == "for" and error["type"] == "too_short":
        return "for: no graph offers this expert; name one of document, instruct, answers"
    return f"{key}: {error['msg']}"


def _suggestion(given: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _schema_problems(schema: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a JSON schema is wrong, and what about it."""
    import jsonschema

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    for error in kind(kind.META_SCHEMA).iter_errors(schema):
        path = tuple(error.absolute_path)
        text = one_line(error.message, most_words=_MESSAGE_WORDS)
        if path and path[-1] == "type" and isinstance(error.instance, str):
            text = f"{error.instance!r} is no type; there are {', '.join(_JSON_TYPES)}"
        yield path, text


def load_role(path: Path) -> Role:
    """The role in the file at `path`.

    Raises:
        ConfigError: It cannot be read or is no role; all its problems are named.
    """
    return parse_role(read_regular(path), where=str(path))


def parse_role(text: str, *, where: str) -> Role:
    """The role written in `text`; `where` names its file in messages.

    Raises:
        ConfigError: It is no role; all its problems are named, with their lines.
    """
    read = RoleText(text)
    if read.role is None or read.problems:
        raise ConfigError(f"{where}: " + "; ".join(map(str, read.problems)))
    return read.role
