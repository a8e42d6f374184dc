"""Every kind of part that is one file, and the names that a run file gives of them."""

from pathlib import Path
from typing import Any

from metasynth.config.marks import PartOf, marked
from metasynth.config.section import Section
from metasynth.errors import ConfigError, RequestError
from metasynth.registry import Registry

REGISTRIES: tuple[Registry[Any], ...] = ()


def check_parts(section: Section, where: Path | str = "run file") -> None:
    """Refuse a name that no part has; nothing is imported.

    Raises:
        ConfigError: There is no such part (code `unknown_part`); names key and known parts.
    """
    known = {registry.kind: registry for registry in REGISTRIES}
    for key, value, mark in marked(section, PartOf):
        for name in value if isinstance(value, tuple | list) else (value,):
            try:
                known[mark.kind].check(name, key)
            except RequestError as error:
                raise ConfigError(f"{where}: {error.message}", code=error.code) from None
