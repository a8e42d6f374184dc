"""What Markdown has besides text: front matter and headings."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

_FRONT = re.compile(r"\A---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_LINE = re.compile(
    r"^ {0,3}(?:(?P<fence>`{3,}|~{3,})|(?P<marks>#{1,6})[ \t]+(?P<title>.*))$", re.MULTILINE
)
_FRONT_CHARACTERS = 1 << 14


class Heading(NamedTuple):
    """A heading: where its line starts, its depth (1 to 6) and its words."""

    start: int
    depth: int
    title: str


def without_front_matter(text: str) -> tuple[int, dict[str, Any]]:
    """Where the text begins behind its front matter, and what that says.

    What stands between the marks and is no YAML mapping is text, and 0 comes back.
    """
    match = _FRONT.match(text[:_FRONT_CHARACTERS])
    if match is None:
        return 0, {}
    try:
        data = yaml.safe_load(match[1] or "")
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, LookupError, TypeError):
        return 0, {}
    if data is None:
        return match.end(), {}
    if not isinstance(data, dict):
        return 0, {}
    return match.end(), {str(key): _plain(value) for key, value in data.items()}


def headings(text: str) -> Iterator[Heading]:
    """The headings of a text, none of those that stand in a fenced block."""
    fence = ""
    for match in _LINE.finditer(text):
        if mark := match["fence"]:
            if not fence:
                fence = mark
            elif mark.startswith(fence):
                fence = ""
        elif not fence:
            title = match["title"].strip().rstrip("#").strip()
            if title:
                yield Heading(match.start(), len(match["marks"]), title)


def _plain(value: Any) -> Any:
    """Dates and their like as text, so that the value can be written as JSON."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)
