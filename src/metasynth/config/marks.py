"""Marks on the fields of a run file, each a fact that stands beside the field and nowhere else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

PART_OF = "x-part-of"
"""The key of a JSON schema under which the kind of part stands, for `metasynth.config.schema`."""


@dataclass(frozen=True)
class PartOf:
    """The value is the name of a part, or names, of the registry of this kind.

    `compose` checks it, and the schema lists the built-in ones: the core knows none of them.
    """

    kind: str

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The field's own schema with the kind beside it."""
        return {**handler(core_schema), PART_OF: self.kind}


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
