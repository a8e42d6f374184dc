"""What is said of an answer in words: numbers, one of some options, entities."""

import re
from collections.abc import Mapping
from fractions import Fraction

from metasynth.eval.tasks.spec import TaskItem, TaskVerdict

from .parsing import final_number, label_in, numbers_in, plain_number, rounds_to

_ENTITY = re.compile(r"(\S+)\s+\((\S+?)\)")
_NEAR = 1e-2


def judge_number(item: TaskItem, text: str) -> TaskVerdict:
    """Whether an answer comes to the very number that is right."""
    number = final_number(text)
    if number is None:
        return TaskVerdict(False, None)
    return TaskVerdict(number.value == item.target, plain_number(number.value))


def judge_rounded_number(item: TaskItem, text: str) -> TaskVerdict:
    """Whether an answer comes to the computed number, rounds to it, or is what was printed.

    The target is a pair of both, or yes or no. Digits of a printed answer were cut off at times.
    """
    if isinstance(item.target, str):
        label = label_in(text, ("yes", "no"))
        return TaskVerdict(label == item.target, label)
    wanted, printed = item.target
    number = final_number(text)
    if number is None:
        return TaskVerdict(False, None)
    right = rounds_to(number, wanted) or any(number.value == other.value for other in printed)
    return TaskVerdict(right, number.text)


def judge_near_number(item: TaskItem, text: str) -> TaskVerdict:
    """Whether any number of the answer's first line is within 0.01 of the target's first one."""
    wanted, numbers = _shares(item.target), _shares(text)
    if not wanted:
        return TaskVerdict(None, None, "the label holds no number")
    if not numbers:
        return TaskVerdict(False, None)
    right = any(abs(number - wanted[0]) <= _NEAR for number in numbers)
    return TaskVerdict(right, ", ".join(f"{float(number):.6g}" for number in numbers))


def judge_choice(
    item: TaskItem, text: str, *, synonyms: Mapping[str, str] | None = None
) -> TaskVerdict:
    """Whether an answer names the choice that is right.

    Args:
        item: The question.
        text: The answer.
        synonyms: Words that may stand in an answer, with the choice that each means; None: the
            choices themselves.
    """
    words = synonyms or {choice: choice for choice in item.choices}
    label = label_in(text, list(words))
    if label is None:
        return TaskVerdict(False, None)
    choice = words[label]
    return TaskVerdict(item.gold is not None and choice == item.choices[item.gold], choice)


def judge_entities(item: TaskItem, text: str) -> TaskVerdict:
    """F1 of the entities, `Name (TYPE)`; a name is its last word, as with AdaptLLM."""
    wanted, entities = set(_ENTITY.findall(item.target)), set(_ENTITY.findall(text))
    total = len(wanted) + len(entities)
    score = 2 * len(wanted & entities) / total if total else 1.0
    shown = ", ".join(f"{name} ({kind})" for name, kind in sorted(entities)) or None
    return TaskVerdict(wanted == entities, shown, score=score)


def _shares(text: str) -> list[Fraction]:
    line = text.strip().partition("\n")[0]
    return [
        number.value / 100 if number.is_percent else number.value for number in numbers_in(line)
    ]
