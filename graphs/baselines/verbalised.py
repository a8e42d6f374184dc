"""Verbalised sampling: several candidates with their probabilities in one answer.

Zhang et al., arXiv 2510.01171; the wording is ours. The answer is read strictly: whatever departs
from the form that was asked for gives no candidate at all.
"""

import math
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

_ONE = re.compile(
    r"\s*<response>\s*<text>(.*?)</text>\s*<probability>\s*(\S{1,40}?)\s*</probability>\s*"
    r"</response>\s*",
    re.DOTALL,
)
_ASKED = (
    "Do not write one such text but {count}, drawn from all that you might write, the likely and "
    "the unlikely. Give each with the probability, from 0 to 1, with which you would have written "
    "it. Answer in this form, {count} times, and write nothing else:\n"
    "<response>\n<text>the text</text>\n<probability>a number</probability>\n</response>"
)


class Verbalised(NamedTuple):
    """A text, and how likely its author says it is."""

    text: str
    probability: float


def asked_for(count: int) -> str:
    """What is said after the prompt."""
    return _ASKED.format(count=count)


def parse_verbalised(reply: str, count: int) -> list[Verbalised] | str:
    """The candidates of a reply, exactly `count`, or what is wrong with it."""
    found: list[Verbalised] = []
    place = 0
    while place < len(reply) and (match := _ONE.match(reply, place)):
        text, probability = match[1].strip(), _number(match[2])
        if probability is None or not 0 <= probability <= 1:
            return f"candidate {len(found) + 1}: {match[2]!r} is no probability"
        if not text or "<response>" in text or "<text>" in text:
            return f"candidate {len(found) + 1} has no text, or another one in it"
        found.append(Verbalised(text, probability))
        place = match.end()
    if reply[place:].strip():
        return f"after {len(found)} candidates it is not in the form that was asked for"
    if len(found) != count:
        return f"{len(found)} candidates, {count} were asked for"
    return found


def draw_verbalised(candidates: Sequence[Verbalised], rng: random.Random) -> Verbalised:
    """One of them by what they say of their probabilities; evenly where all say 0."""
    weights = [candidate.probability for candidate in candidates]
    return rng.choices(candidates, weights if sum(weights) > 0 else None)[0]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
