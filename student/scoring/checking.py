"""Checkers: whether the student's own answer is right, said by code."""

import re
from collections.abc import Callable
from fractions import Fraction

from metasynth.domains.catalogue import DOMAINS
from metasynth.domains.checkers import checker_file, find_checker
from metasynth.errors import RequestError
from metasynth.records.record import CheckerResult
from metasynth.student.rows import StudentRow

Checker = Callable[[StudentRow, str], CheckerResult]
"""A row and the student's answer to it; `passed` is None where no claim can be made."""

_NUMBER = re.compile(r"[-−]?\s*[$€£]?\s*(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*/\s*\d[\d,]*(?:\.\d+)?)?")
_NAMED = ("number", "exact")


def make_checker(name: str) -> Checker:
    """A checker by name: `number`, `exact`, a checkable domain, or a file of the user's.

    Raises:
        RequestError: There is none of that name, or the file cannot be used.
    """
    if name == "number":
        return check_number
    if name == "exact":
        return check_exact
    if name not in DOMAINS and checker_file(name) is None:
        known = ", ".join((*_NAMED, *DOMAINS))
        raise RequestError(
            f"no checker {name!r}",
            hint=f"one of: {known}, or FILE.py:FUNCTION",
            code="unknown_checker",
        )
    verifier = find_checker(name)

    def check(row: StudentRow, answer: str) -> CheckerResult:
        question = "\n".join(turn.content for turn in row.prompt if turn.role == "user")
        found = verifier.check(_document(question, answer))
        if found.passed is None and verifier.check(_document(question, row.answer)).passed:
            return CheckerResult(passed=False, detail=found.detail)  # the question is understood
        return CheckerResult(passed=found.passed, detail=found.detail)

    return check


def check_number(row: StudentRow, answer: str) -> CheckerResult:
    """Whether the answer ends with the number of the row's own answer (see `final_number`)."""
    wanted = final_number(row.answer)
    if wanted is None:
        return CheckerResult(detail="the row's own answer holds no number")
    found = final_number(answer)
    return CheckerResult(passed=found == wanted, detail=f"wanted {wanted}, found {found}")


def check_exact(row: StudentRow, answer: str) -> CheckerResult:
    """Whether the answer is the row's own, white space and case aside."""
    wanted, found = (" ".join(text.split()).casefold() for text in (row.answer, answer))
    if not wanted:
        return CheckerResult(detail="the row holds no answer")
    return CheckerResult(passed=wanted == found, detail="")


def final_number(text: str) -> Fraction | None:
    """The number behind the last `####`, as GSM8K marks answers; without a mark the last number.

    Commas, currency signs, a minus, decimals and fractions such as 3/4 are read.
    """
    *_, marked = text.rpartition("####")
    numbers = _NUMBER.findall(marked)
    if not numbers:
        return None
    number = numbers[0] if "####" in text else numbers[-1]
    plain = re.sub(r"[\s,$€£]", "", number).replace("−", "-")
    top, _, bottom = plain.partition("/")
    if bottom and Fraction(bottom) == 0:
        return None
    return Fraction(top) / (Fraction(bottom) if bottom else 1)


def _document(question: str, answer: str) -> str:
    """A question and its answer in the form that domains read."""
    return f"{question}\n\n{answer if 'Solution:' in answer else f'Solution: {answer}'}"
