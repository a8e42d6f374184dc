"""Sentence templates that write and read: one string is both the generator's and the parser's.

`{A} has {n} {items} {at}.` renders with values and compiles to a regular expression with one
group a slot, so that the two can never drift apart.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

WORD = r"[a-z]+(?:-[a-z]+)?"
NAME = r"[A-Z][a-z]+"

SLOTS: Mapping[str, str] = {
    "A": NAME,
    "B": NAME,
    "C": NAME,
    "n": r"\d+",
    "m": r"\d+",
    "items": WORD,
    "at": rf"(?:in|at|on) the {WORD}",
    "At": rf"(?:In|At|On) the {WORD}",
    "place": WORD,
    "detail": WORD,
    "day": r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day",
    "persona": rf"an? {WORD}(?: {WORD})?",
    "k": WORD,
    "prop": WORD,
    "thing": WORD,
    "past": WORD,
    "verb": WORD,
    "text": r"[^\"]+?",
}
"""What each slot may hold; a slot that is met twice in a template must hold the same text."""

_SLOT = re.compile(r"\{(\w+)\}")


class Template(str):
    """A sentence with slots."""

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The expression that reads what `format` writes."""
        seen: set[str] = set()
        parts: list[str] = []
        end = 0
        for slot in _SLOT.finditer(self):
            parts.append(re.escape(self[end : slot.start()]))
            name = slot.group(1)
            kind = name.rstrip("0123456789")
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{SLOTS[kind]})")
            seen.add(name)
            end = slot.end()
        parts.append(re.escape(self[end:]))
        return re.compile("".join(parts))

    @property
    def slots(self) -> frozenset[str]:
        """Names of the slots."""
        return frozenset(_SLOT.findall(self))


class Reading(NamedTuple):
    """One template that matched: its values and where the text goes on."""

    template: Template
    values: dict[str, str]
    end: int


def templates(*lines: str) -> tuple[Template, ...]:
    """A table of templates."""
    return tuple(Template(line) for line in lines)


def filled(table: Iterable[Template], **words: str) -> tuple[Template, ...]:
    """The templates with some slots filled by fixed text, the rest still open."""
    return tuple(
        Template(_SLOT.sub(lambda m: words.get(m.group(1), m.group(0)), line)) for line in table
    )


def readings(table: Iterable[Template], text: str, start: int = 0) -> list[Reading]:
    """Every way one template of the table reads a whole sentence at `start`."""
    found = []
    for template in table:
        match = template.regex.match(text, start)
        if match and (match.end() == len(text) or text[match.end()] in ' "'):
            end = match.end() + (text[match.end() : match.end() + 1] == " ")
            found.append(Reading(template, match.groupdict(), end))
    return found
