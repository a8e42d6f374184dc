"""Marks on the fields of a run file, each a fact that stands beside the field and nowhere else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

PART_OF = "x-part-of"
"""The key of a JSON schema under which the kind of part stands, for `metasynth.config.schema`."""


@dataclass(frozen=True)
class PartOf:
    """The value is the name of a part, or names, of the registry of this kind.

    `compose` checks it, and the schema lists the built-in ones: the core knows none of them.

    Attributes:
        kind: Of the registry.
        before: The name ends before this text, as that of a provider does before a colon; "" where
            the whole value is the name.
    """

    kind: str
    before: str = ""

    def name_in(self, value: str) -> str:
        """The name in a value."""
        return value.partition(self.before)[0] if self.before else value

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The field's own schema, with the kind beside it where the whole value is a name."""
        schema = handler(core_schema)
        return schema if self.before else {**schema, PART_OF: self.kind}


@dataclass(frozen=True)
class RelativeToFile:
    """The value is a path, or has one in it, that is relative to the run file it stands in.

    Attributes:
        pattern: The whole value as a regular expression, whose group `path` is the path; a value
            that does not match holds none, such as `hf:NAME`.
        hub: The path may be the id of a model on a hub instead. It is a folder if it begins with
            `/`, `./`, `../` or `~`, or if there is such a folder beside the run file.
        folder: It is a folder and no file.
        exists: It must be there when the run file is checked.
        hashed: A run's identity holds the content; else what a run reads of it, which the plan of
            the run knows, is in there.
    """

    pattern: str = r"(?P<path>.+)"
    hub: bool = False
    folder: bool = False
    exists: bool = True
    hashed: bool = False

    def resolve(self, value: str, folder: Path) -> str:
        """The value with an absolute path, relative ones being meant from `folder`."""
        match = re.fullmatch(self.pattern, value)
        if match is None:
            return value
        path = Path(match["path"]).expanduser()
        if self.hub and not _is_surely_path(match["path"]) and not (folder / path).is_dir():
            return value
        return f"{value[: match.start('path')]}{folder / path}{value[match.end('path') :]}"

    def path_in(self, value: str) -> Path | None:
        """The path in a value, which may be a hub id no more once it is resolved."""
        match = re.fullmatch(self.pattern, value)
        if match is None or (self.hub and not _is_surely_path(match["path"])):
            return None
        return Path(match["path"]).expanduser()

    def without_path(self, value: str) -> str:
        """What is left of a value when the path in it is taken out."""
        match = re.fullmatch(self.pattern, value)
        assert match is not None, value
        return value[: match.start("path")] + value[match.end("path") :]


TEXTS = RelativeToFile(r"(?!hf:)(?P<path>.+)", exists=False)
"""A file, a folder or a pattern of texts, or `hf:NAME`."""

CHECKER = RelativeToFile(r"(?P<path>.+\.py)(?::\w+)?", exists=False)
"""A Python file, or a function in it as FILE.py:FUNCTION; else the name of a domain."""

EMBEDDER = RelativeToFile(r"(?!default$)(?P<path>.+)", hub=True, hashed=True)
"""A sentence-transformers model as folder or hub id, or `default`."""

LOCAL_MODEL = RelativeToFile(r"local:(?P<path>.+)", hub=True, hashed=True)
"""A model in this process as local:PATH_OR_HUB_ID; else another kind of model."""


def _is_surely_path(text: str) -> bool:
    return text in (".", "..") or text.startswith(("/", "./", "../", "~"))


@dataclass(frozen=True)
class NotIdentity:
    """The value may change between two starts of a run: its texts do not come from it.

    Attributes:
        why: What it says instead.
    """

    why: Literal["address", "label", "limit", "pace", "place", "what is kept", "who decides"]


class Marked(NamedTuple):
    """A value of a run file whose field bears a mark."""

    key: str
    value: Any
    mark: Any


def marked(section: BaseModel, kind: type, path: str = "") -> Iterator[Marked]:
    """Every value of `section`, and of the sections in it, whose field bears a mark of `kind`."""
    for name, field in type(section).model_fields.items():
        key = f"{path}.{name}" if path else name
        value = getattr(section, name)
        for mark in field.metadata:
            if isinstance(mark, kind):
                yield Marked(key, value, mark)
        if isinstance(value, BaseModel):
            yield from marked(value, kind, key)


def marked_fields(section: type[BaseModel], kind: type) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The paths of keys of all fields that bear a mark of `kind`, with the mark."""
    for name, field in section.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, kind):
                yield (name,), mark
        for inner in sections_in(field.annotation):
            for path, mark in marked_fields(inner, kind):
                yield (name, *path), mark


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_in(argument)
