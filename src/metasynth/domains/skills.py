"""Short skills: one line with one answer, for students far too small for prose.

`sort 4092 = 0249`: a skill's word, what it is applied to, and the answer. A level says how long
that is; the answers are computed, so every line can be verified. These are items for studies of
what training data do to a model of a million parameters: there are no documents, themes or
keywords, so this is no `Domain` of the catalogue.
"""

import random
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from metasynth.domains.language.base import Check, Item

LEVELS = (1, 2, 3, 4)
LETTERS = "ABCDEFGH"
_LINE = re.compile(r"([a-z]+) ([A-Z0-9 ]+) = ([A-Z0-9]+|[a-z]+)")

Draw = Callable[[random.Random, int], str]


class Skill(NamedTuple):
    """How operands are drawn for a level, what they must look like, and the answer to them."""

    draw: Draw
    operands: re.Pattern[str]
    answer: Callable[[str], str]


class SkillsDomain:
    """Generator, parser and checker of short skills."""

    name = "skills"

    @property
    def forms(self) -> tuple[str, ...]:
        """The skills."""
        return tuple(SKILLS)

    def generate(
        self, rng: random.Random, *, form: str | None = None, level: int | None = None
    ) -> Item:
        """Write an item of a skill (the form) and a level, both drawn where they are not given.

        Raises:
            ValueError: the skill or the level is unknown.
        """
        form = form or rng.choice(self.forms)
        level = level or rng.choice(LEVELS)
        if form not in SKILLS:
            raise ValueError(f"unknown skill {form!r}; one of {', '.join(SKILLS)}")
        if level not in LEVELS:
            raise ValueError(f"unknown level {level!r}; one of {LEVELS}")
        skill = SKILLS[form]
        operands = skill.draw(rng, level)
        return _item(form, operands, skill.answer(operands))

    def parse(self, text: str) -> Item | None:
        """Read an item; None unless it has a skill, operands of that skill and an answer."""
        match = _LINE.fullmatch(text)
        if match is None or match[1] not in SKILLS:
            return None
        form, operands, answer = match.groups()
        return _item(form, operands, answer) if SKILLS[form].operands.fullmatch(operands) else None

    def check(self, text: str) -> Check:
        """Verify an item's answer."""
        item = self.parse(text)
        if item is None:
            return Check(False, None, "not understood as an item of a skill")
        right = answer_of(split_line(text)[0])
        if item.answer == right:
            return Check(True, True, f"the answer {right} is right")
        return Check(True, False, f"the answer is {item.answer}, expected {right}")


def split_line(text: str) -> tuple[str, str]:
    """The question and the answer of an item's text."""
    question, _, answer = text.partition(" = ")
    return question, answer


def answer_of(question: str) -> str | None:
    """The right answer to a question; None where it is none."""
    form, _, operands = question.partition(" ")
    if form not in SKILLS or not SKILLS[form].operands.fullmatch(operands):
        return None
    return SKILLS[form].answer(operands)


def _item(form: str, operands: str, answer: str) -> Item:
    return Item(SkillsDomain.name, form, "", (), f"{form} {operands} = {answer}", answer)


def _number(rng: random.Random, level: int) -> str:
    """A number of one digit on level 1, then of two, three and five."""
    digits = (1, 2, 3, 5)[level - 1]
    return str(rng.randrange(10 ** (digits - 1), 10**digits))


def _symbols(alphabet: str) -> Draw:
    """Two symbols on level 1, then three, four and six."""

    def draw(rng: random.Random, level: int) -> str:
        return "".join(rng.choice(alphabet) for _ in range((2, 3, 4, 6)[level - 1]))

    return draw


def _place_and_word(rng: random.Random, level: int) -> str:
    word = _symbols(LETTERS)(rng, level)
    return f"{rng.randint(1, len(word))} {word}"


def _repeating(rng: random.Random, level: int) -> str:
    """A word of few letters, so that some occur again."""
    few = rng.sample(LETTERS, level + 1)
    return "".join(rng.choice(few) for _ in range(level + 2))


def _pick(operands: str) -> str:
    place, _, word = operands.partition(" ")
    return word[int(place) - 1] if 0 < int(place) <= len(word) else "none"


def _next_letters(operands: str) -> str:
    return "".join(LETTERS[(LETTERS.index(one) + 1) % len(LETTERS)] for one in operands)


def _without_repeats(operands: str) -> str:
    return "".join(dict.fromkeys(operands))


def _ends_swapped(operands: str) -> str:
    return operands[-1] + operands[1:-1] + operands[0] if len(operands) > 1 else operands


_NUMBER = re.compile(r"[1-9]\d*")
_NUMERALS = re.compile(r"\d+")
_WORD = re.compile(f"[{LETTERS}]+")
_PLACE_AND_WORD = re.compile(rf"\d+ [{LETTERS}]+")
_digits, _letters = _symbols("0123456789"), _symbols(LETTERS)

SKILLS: Mapping[str, Skill] = MappingProxyType(
    {
        "after": Skill(_number, _NUMBER, lambda number: str(int(number) + 1)),
        "before": Skill(_number, _NUMBER, lambda number: str(int(number) - 1)),
        "largest": Skill(_digits, _NUMERALS, max),
        "smallest": Skill(_digits, _NUMERALS, min),
        "sort": Skill(_digits, _NUMERALS, lambda digits: "".join(sorted(digits))),
        "reverse": Skill(_letters, _WORD, lambda word: word[::-1]),
        "rotate": Skill(_letters, _WORD, lambda word: word[1:] + word[0]),
        "swap": Skill(_letters, _WORD, _ends_swapped),
        "next": Skill(_letters, _WORD, _next_letters),
        "double": Skill(_letters, _WORD, lambda word: "".join(2 * one for one in word)),
        "distinct": Skill(_repeating, _WORD, _without_repeats),
        "pick": Skill(_place_and_word, _PLACE_AND_WORD, _pick),
    }
)
"""Skill by its word: numbers, comparison, order, letters."""
