"""Where a key of a run file stands, for whoever tells a person to change it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml


class Place(NamedTuple):
    """A line of a file.

    Attributes:
        path: The run file, one that it extends, or "--set" where an option of the command decides.
        line: From 1 up; None for an option.
        present: Whether the key stands there; else it is to be written there.
    """

    path: Path | str
    line: int | None
    present: bool

    def __str__(self) -> str:
        return str(self.path) if self.line is None else f"{self.path}:{self.line}"


def place_of(path: Path, key: str, overrides: Sequence[str] = ()) -> Place:
    """The place of the key `section.name`: in the file, or in one that it extends.

    A key that stands nowhere belongs below its section, or at the end of the file.

    Args:
        path: A run file that can be read.
        key: With dots.
        overrides: `--set` of the command, which go before the file.
    """
    if any(override.partition("=")[0] == key for override in overrides):
        return Place("--set", None, True)
    parts = key.split(".")
    missing: Place | None = None
    for file, root in _files(path):
        depth, line = _deepest(root, parts)
        if depth == len(parts):
            return Place(file, line, True)
        if missing is None:
            missing = Place(file, line or root.end_mark.line + 1, False)
    return missing or Place(path, 1, False)


def _files(path: Path) -> Iterator[tuple[Path, yaml.MappingNode]]:
    """The file, then those that it extends."""
    current: Path | None = path
    while current is not None:
        root = yaml.compose(current.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            return
        yield current, root
        base = _child(root, "extends")
        named = base[1].value if base and isinstance(base[1], yaml.ScalarNode) else None
        current = current.parent / named if named else None


def _deepest(root: yaml.Node, parts: Sequence[str]) -> tuple[int, int | None]:
    """How many parts of a path of keys there are, and the line of the last of them."""
    node, line = root, None
    for depth, part in enumerate(parts):
        step = _child(node, part)
        if step is None:
            return depth, line
        line, node = step
    return len(parts), line


def _child(node: yaml.Node, name: str) -> tuple[int, yaml.Node] | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    matches = [
        (key.start_mark.line + 1, value)
        for key, value in pairs
        if isinstance(key, yaml.ScalarNode) and key.value == name
    ]
    return matches[-1] if matches else None
