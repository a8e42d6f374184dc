"""The one way in which YAML is read: every failure is a `ConfigError` with the file and the line.

PyYAML fails with what its constructors happen to raise: a date that is none, `!!int abc`, 6,000
digits, brackets that are nested too deep. It also lets the last of two equal keys win, and hands
out texts that cannot be written (lone surrogates), values that contain themselves, and aliases that
unfold to billions.
"""

import os
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from metasynth.errors import ConfigError

_MOST_BYTES = 1 << 26
_MOST_VALUES = 1_000_000  # with what aliases unfold to


class YAMLTextError(ConfigError):
    """A text is no YAML that can be used (code `not_yaml` or `duplicate_key`).

    Attributes:
        line: The first is 1; None where it is not known.
        problem: The message without the place.
    """

    def __init__(self, where: str, line: int | None, problem: str, code: str) -> None:
        place = where if line is None else f"{where}, line {line}"
        super().__init__(f"{place}: {problem}", code=code)
        self.line = line
        self.problem = problem


def read_yaml(path: Path) -> Any:
    """What a file says.

    Raises:
        ConfigError: There is no such file (code `missing_file`), or it cannot be read
            (`unreadable_file`).
        YAMLTextError: It is no YAML.
    """
    return parse_yaml(read_regular(path), where=str(path))


def read_regular(path: Path) -> str:
    """The text of a file of a person's; what waits for a writer (a FIFO) is not opened.

    Raises:
        ConfigError: There is no such file (code `missing_file`), or it cannot be read
            (`unreadable_file`).
    """
    reason = ""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(number, encoding="utf-8-sig") as file:  # noqa: PTH123 - what is open already
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode):
                reason = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            elif status.st_size > _MOST_BYTES:
                reason = f"{status.st_size:,} bytes"
            else:
                return file.read()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", code="missing_file") from None
    except IsADirectoryError:
        reason = "a folder"
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path with a NUL in it
        reason = getattr(error, "strerror", None) or str(error)
    raise ConfigError(f"{path}: cannot be read ({reason})", code="unreadable_file")


def parse_yaml(text: str, *, where: str) -> Any:
    """What a text says.

    Args:
        where: Names it in messages.

    Raises:
        YAMLTextError: It is no YAML.
    """
    try:
        loader = _Loader(text)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
        _check_size(value)
    except yaml.YAMLError as error:
        raise _told(error, where) from None
    except RecursionError:
        raise YAMLTextError(where, None, "is nested too deep", "not_yaml") from None
    return value


def compose_yaml(text: str, *, where: str) -> yaml.Node | None:
    """The nodes of a text, with their lines; errors as `parse_yaml`."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _told(error, where) from None
    except RecursionError:
        raise YAMLTextError(where, None, "is nested too deep", "not_yaml") from None
    return node


def _told(error: yaml.YAMLError, where: str) -> YAMLTextError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
    code = "duplicate_key" if isinstance(error, _DuplicateKeyError) else "not_yaml"
    return YAMLTextError(where, mark.line + 1 if mark else None, str(problem), code)


class _DuplicateKeyError(yaml.constructor.ConstructorError):
    """A key stands twice."""


class _Loader(yaml.SafeLoader):
    """A SafeLoader whose failures all have a line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # whatever a constructor raises: it is the text's fault
            kind = node.tag.rpartition(":")[2]
            raise _problem(f"no {kind} ({str(error)[:80]})", node) from None
        if isinstance(value, str) and not _can_be_written(value):
            raise _problem("has a character that cannot be written (NUL or a surrogate)", node)
        return value

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,
    ) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name = (key.tag, str(key.value))
            if name in seen:
                raise _DuplicateKeyError(
                    None, None, f"key {key.value!r} stands twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _problem(text: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _check_size(value: Any) -> None:
    """Refuse what contains itself, or would unfold to too much."""
    sizes: dict[int, int] = {}
    inside: set[int] = set()

    def size(part: Any) -> int:
        if not isinstance(part, dict | list | set | tuple):
            return 1
        name = id(part)
        if name in inside:
            raise yaml.YAMLError
        if name not in sizes:
            inside.add(name)
            values = [*part.keys(), *part.values()] if isinstance(part, dict) else part
            sizes[name] = 1 + sum(map(size, values))
            inside.discard(name)
            if sizes[name] > _MOST_VALUES:
                raise yaml.YAMLError
        return sizes[name]

    try:
        size(value)
    except yaml.YAMLError:
        problem = "contains itself, or aliases that unfold to more than a million values"
        raise yaml.constructor.ConstructorError(None, None, problem) from None
