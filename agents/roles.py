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

Made = Literal[
    "draft", "keywords", "summary", "topic", "analysis", "note", "question", "answer", "critique"
]
Given = Literal["seed", "neighbours", "document", "conversation"]
# What instructions may mention, each with a value to try a template with.
_EXAMPLES: Mapping[str, object] = {
    "domain": "a domain",
    "description": "what it is about",
    "language": "en",
    "persona": "a baker",
    "genre": "diary entry",
    "max_words": 100,
    "title": "Expert",
}
VARIABLES = tuple(_EXAMPLES)
# names that the ledger gives to others
RESERVED = ("answer", "conductor", "invented", "softsrv", "template")

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
    receives: tuple[Made | Given, ...] = ()
    produces: Made = "note"
    output: Literal["text"] | dict[str, Any] = "text"
    temperature: float | None = Field(default=None, ge=0, le=2)
    model: str | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    tools: tuple[str, ...] = ()

    def system_prompt(self, variables: Mapping[str, object]) -> str:
        """The role's system prompt; its first line names the expert.

        `variables` are data: a value with template syntax in it is printed, never rendered.

        Raises:
            ConfigError: The template cannot be filled.
        """
        try:
            body = _SANDBOX.from_string(self.instructions).render(variables)
        except Exception as error:  # a template may divide by zero
            first = str(error).partition("\n")[0]
            raise ConfigError(f"role {self.name}: instructions: {first}") from None
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
        if not folder.is_dir():
            raise ConfigError(f"roles: no such directory: {folder}")
        found: dict[str, Path] = {}
        for path in role_files(folder):
            role = load_role(path)
            if role.name in found:
                raise ConfigError(f"{path}: role {role.name!r} stands in {found[role.name]} too")
            found[role.name] = path
            roles[role.name] = role
    return RoleBook(roles.values())


def role_files(folder: Path) -> list[Path]:
    """The role files in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


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
    if role.name in RESERVED:
        raise ConfigError(f"{where}: name: {role.name!r} is taken, choose another")
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
    """A template must parse, mention known variables only and render, before a run needs it."""
    try:
        mentioned = meta.find_undeclared_variables(_SANDBOX.parse(role.instructions))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        at = f"line {line} of the " if line else ""
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{where}: {at}instructions: {first}") from None
    if unknown := sorted(mentioned - set(VARIABLES)):
        raise ConfigError(
            f"{where}: instructions: unknown variable {unknown[0]!r}; "
            f"known are {', '.join(VARIABLES)}"
        )
    empty = {name: value if name == "max_words" else "" for name, value in _EXAMPLES.items()}
    for variables in (_EXAMPLES, empty):
        try:
            role.system_prompt(variables)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error.message}") from None
