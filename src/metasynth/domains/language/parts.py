"""Reading that the domains of short sentences share: openings, turns of a dialogue, leftovers."""

import re
from collections.abc import Mapping, Sequence

from .templates import NAME, Reading, Template, readings

TURNS = re.compile(rf'({NAME}): "([^"]+)" ({NAME}): "([^"]+)"')


class NotUnderstoodError(ValueError):
    """A sentence that no template reads, or words that contradict earlier ones."""


def longest(table: Sequence[Template], text: str, start: int = 0) -> Reading:
    """The longest reading of one sentence.

    Raises:
        NotUnderstoodError: no template of the table reads it.
    """
    found = readings(table, text, start)
    if not found:
        raise NotUnderstoodError(text[start:])
    return max(found, key=lambda reading: reading.end)


def place_of(values: Mapping[str, str]) -> str:
    """The place that a reading names, as one word, else ""."""
    for slot in ("at", "At", "place"):
        if slot in values:
            return values[slot].split()[-1]
    return ""


def told(teller: str, problem: str, asker: str, question: str) -> str:
    """A dialogue of two turns."""
    return f'{teller}: "{problem}" {asker}: "{question}"'


def untold(text: str) -> tuple[str, str, str] | None:
    """Teller, asker and the text without the marks of a two-turn dialogue, or None."""
    match = TURNS.fullmatch(text)
    if match is None or match[1] == match[3]:
        return None
    return match[1], match[3], f"{match[2]} {match[4]}"
