"""Roles: experts defined as YAML files."""

import difflib
import hashlib
import importlib.resources
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from metasynth.errors import ConfigError

ARTIFACT_KINDS = ("draft", "keywords", "summary", "topic", "analysis", "note")
ATTACHABLE = (*ARTIFACT_KINDS, "seed", "neighbours")
# What instructions may mention; all are strings but `keywords` and `max_words`.
VARIABLES = ("domain", "description", "language", "persona", "genre", "max_words", "title")

_SANDBOX = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Role(BaseModel):
    """One expert: what it is told, what may be attached to its call, what it gives back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1, pattern=r"^[^\n]+$")
    for_: Annotated[tuple[str, ...], BeforeValidator(_one_or_many)] = Field(
        default=("document",), alias="for"
    )
    description: str
    instructions: str = Field(min_length=1)
    receives: tuple[
        Literal["draft", "keywords", "summary", "topic", "analysis", "note", "seed", "neighbours"],
        ...,
    ] = ()
    produces: Literal["draft", "keywords", "summary", "topic", "analysis", "note"] = "note"
    output: Literal["text"] | dict[str, Any] = "text"
    temperature: float | None = Field(default=None, ge=0, le=2)
    model: str | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    tools: tuple[str, ...] = ()

    def system_prompt(self, variables: Mapping[str, object]) -> str:
        """The role's system prompt; its first line names the expert.

        `variables` are data: a value with template syntax in it is printed, never rendered.
        """
        body = _SANDBOX.from_string(self.instructions).render(variables)
        return f"You are the {self.title}.\n\n{body.strip()}"


class RoleBook:
    """The roles of a run by name, and a hash of all that they say."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self._roles = {role.name: role for role in roles}

    def __getitem__(self, name: str) -> Role:
        return self._roles[name]

    def get(self, name: str) -> Role | None:
        """The role called `name`, or None."""
        return self._roles.get(name)

    def offered_by(self, graph: str) -> list[Role]:
        """The roles that `graph` offers, by name."""
        return [role for _, role in sorted(self._roles.items()) if graph in role.for_]

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._roles)

    def version(self) -> str:
        """A short hash that changes with any word of any role."""
        text = "\n".join(self._roles[name].model_dump_json() for name in self.names())
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_roles(folders: Sequence[Path] = ()) -> RoleBook:
    """The package's roles, overridden by those in `folders`, a later folder over an earlier one.

    Raises:
        ConfigError: A file is not a role; all its problems are named with the file and the line.
    """
    roles = {role.name: role for role in map(_packaged, packaged_role_files())}
    for folder in folders:
        for path in sorted(folder.glob("*.y*ml")):
            role = load_role(path)
            roles[role.name] = role
    return RoleBook(roles.values())


def packaged_role_files() -> list[str]:
    """The file names of the roles that the package carries."""
    folder = importlib.resources.files("metasynth.agents").joinpath("roles")
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))


def _packaged(name: str) -> Role:
    return parse_role(packaged_role_text(name), where=f"metasynth/agents/roles/{name}")


def packaged_role_text(name: str) -> str:
    """The YAML text of the packaged file `name`."""
    folder = importlib.resources.files("metasynth.agents").joinpath("roles")
    return folder.joinpath(name).read_text(encoding="utf-8")


def load_role(path: Path) -> Role:
    """The role in the file at `path`; see `load_roles` for what is raised."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    return parse_role(text, where=str(path))


def parse_role(text: str, *, where: str) -> Role:
    """The role written in `text`; `where` names its file in messages."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: not YAML ({getattr(error, 'problem', '')})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected a mapping of fields, got {type(data).__name__}")
    try:
        role = Role.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(_problem(dict(each), text) for each in error.errors())
        raise ConfigError(f"{where}: {problems}") from None
    _check_template(role, where)
    return role


def _problem(error: Mapping[str, Any], text: str) -> str:
    key = str(error["loc"][0]) if error["loc"] else ""
    found = re.search(rf"^{re.escape(key)}\s*:", text, re.MULTILINE)
    line = f"line {text[: found.start()].count(chr(10)) + 1}: " if found else ""
    if error["type"] == "extra_forbidden":
        allowed = [field.alias or name for name, field in Role.model_fields.items()]
        close = difflib.get_close_matches(key, allowed, n=1)
        return f"{line}unknown key {key!r}" + (f" (did you mean {close[0]!r}?)" if close else "")
    if error["type"] == "missing":
        return f"key {key!r} is needed"
    return f"{line}{key}: {error['msg']}"


def _check_template(role: Role, where: str) -> None:
    """A template must parse and mention known variables only, before any run depends on it."""
    try:
        mentioned = meta.find_undeclared_variables(_SANDBOX.parse(role.instructions))
    except TemplateError as error:
        raise ConfigError(f"{where}: instructions: {error}") from None
    if unknown := sorted(mentioned - set(VARIABLES)):
        raise ConfigError(
            f"{where}: instructions: unknown variable {unknown[0]!r}; "
            f"known are {', '.join(VARIABLES)}"
        )
