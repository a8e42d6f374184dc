"""Every kind of part that is one file, and the names that a run file gives of them."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from metasynth.agents.models.provider import PROVIDERS
from metasynth.config.marks import PartOf, marked
from metasynth.config.section import Section
from metasynth.errors import ConfigError, RequestError
from metasynth.eval.metric import METRICS
from metasynth.graphs.admission.check import CHECKS
from metasynth.records.shape import SHAPES
from metasynth.registry import FoundPart, Registry, registry_of, use_plugins
from metasynth.softsrv.parameterisation import PARAMETERISATIONS
from metasynth.student.scoring.criterion import CRITERIA
from metasynth.student.selection.strategy import STRATEGIES

REGISTRIES: tuple[Registry[Any], ...] = (
    CHECKS,
    CRITERIA,
    METRICS,
    PARAMETERISATIONS,
    PROVIDERS,
    SHAPES,
    STRATEGIES,
)
"""All of them: a kind is known to a directory of plug-ins once its module is imported."""


def find_plugins(directories: Sequence[Path] = ()) -> list[FoundPart]:
    """Make the parts of directories and of installed packages known; nothing is imported.

    Raises:
        ConfigError: As `metasynth.registry.use_plugins`.
    """
    return use_plugins(directories)


def builtin_parts() -> dict[str, tuple[str, ...]]:
    """The names of the package's own parts by kind; nothing is imported."""
    return {registry.kind: registry.builtin() for registry in REGISTRIES}


def check_parts(section: Section, where: Path | str = "run file") -> None:
    """Refuse a name that no part has; nothing is imported.

    Raises:
        ConfigError: There is no such part (code `unknown_part`), or a model is not written as its
            provider takes it (code `bad_model`); names key and known parts.
    """
    for key, value, _, registry in _named(section):
        try:
            registry.check_value(value, key)
        except RequestError as error:
            raise ConfigError(f"{where}: {error.message}", code=error.code) from None


def part_versions(*sections: BaseModel) -> list[str]:
    """What others' parts that a run file and its roles name are made of, a hash of each file."""
    files = {
        f"{registry.kind} {name}": file
        for section in sections
        for _, _, name, registry in _named(section)
        if (file := registry.file_of(name)) is not None
    }
    return [
        f"{part} {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
        for part, file in sorted(files.items())
    ]


class _Named(NamedTuple):
    key: str
    value: str
    name: str
    registry: Registry[Any]


def _named(section: BaseModel) -> Iterator[_Named]:
    """Every name of a part in a run file or a role, with its key."""
    for key, value, mark in marked(section, PartOf):
        values = value if isinstance(value, tuple | list) else (value,)
        yield from (
            _Named(key, each, mark.name_in(each), registry_of(mark.kind))
            for each in values
            if each is not None
        )
