"""The structure of a story problem, and its arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from metasynth.domains.language.base import Item

MAX_START, MAX_OPERAND, MAX_RESULT, MAX_STEPS = 20, 12, 50, 3


class Step(NamedTuple):
    """One event: what happens to the number, and in which words (base form)."""

    sign: str  # + - *
    amount: int
    phrase: str
    other: str = ""


@dataclass(frozen=True, slots=True)
class Story(Item):
    """A story problem. `solution` is the worked solution as the text has it, right or wrong."""

    first_person: bool
    owner: str
    speaker: str  # who asks, in a dialogue
    thing: str  # singular
    place: str
    details: tuple[str, ...]
    start: int
    steps: tuple[Step, ...]
    solution: str

    @property
    def values(self) -> tuple[int, ...]:
        """The number after each step."""
        values = [self.start]
        for step in self.steps:
            values.append(apply(values[-1], step))
        return tuple(values[1:])


def apply(value: int, step: Step) -> int:
    """The number after one step."""
    if step.sign == "*":
        return value * step.amount
    return value + step.amount if step.sign == "+" else value - step.amount


def worked_solution(start: int, steps: Sequence[Step]) -> str:
    """`17 - 5 = 12. 12 + 3 = 15. The answer is 15.`"""
    lines, value = [], start
    for step in steps:
        after = apply(value, step)
        lines.append(f"{value} {step.sign} {step.amount} = {after}.")
        value = after
    return " ".join([*lines, f"The answer is {value}."])


def solution_fault(story: Story) -> str:
    """What is wrong with a story's worked solution, "" where nothing is."""
    expected = worked_solution(story.start, story.steps)
    if min(story.values) < 0:
        return f"the number falls below zero: {expected}"
    if story.solution == expected:
        return ""
    wanted, found = expected.split(". "), story.solution.split(". ")
    if len(wanted) != len(found):
        return f"{len(found) - 1} steps worked, expected {len(wanted) - 1}"
    for want, have in zip(wanted, found, strict=True):
        if want != have:
            goal = want.removesuffix(".").rsplit(" ", 1)[-1]
            same_task = want.split(" = ")[0] == have.split(" = ")[0]
            return f"{have.removesuffix('.')}, expected {goal if same_task else want}"
    return ""
