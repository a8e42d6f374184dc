"""Which of the offered tools a model means by a name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PREFIX = re.compile(r"\A.*(?:[.:/]|__)(?=\w)")
_NUMBER = re.compile(r":\d+\Z")  # Kimi counts its calls


def schemas_by_name(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The schemas of the arguments of tools in OpenAI's format."""
    functions = [tool.get("function", tool) for tool in tools]
    return {str(one["name"]): one.get("parameters") or {} for one in functions}


def known_name(name: str, offered: Iterable[str]) -> str | None:
    """The offered tool that is meant: with a prefix, in other letters, with `-` for `_`."""
    if name in (names := list(offered)):
        return name
    if len(name) > 100:
        return None
    bare = _NUMBER.sub("", name.partition("<|")[0].strip(" \t\n\"'`*()"))
    wanted = {_plain(bare), _plain(_PREFIX.sub("", bare))}
    return next((known for known in names if _plain(known) in wanted), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
