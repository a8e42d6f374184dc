"""Game of 24: four numbers, each used exactly once, with + - * / and brackets, make 24."""

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from metasynth.eval.tasks.spec import (
    BadItemError,
    TaskItem,
    TaskRow,
    TaskSource,
    TaskSpec,
    TaskVerdict,
    id_of,
    value_of,
)

GOAL = Fraction(24)
_LONGEST = 100  # characters of an expression: four numbers need a quarter of it
_SIGNS = str.maketrans("×÷−–·[]{}", "*/--*()()")
_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ANSWER = re.compile(r"answer\s*(?:is)?\s*[:=]?\s*", re.IGNORECASE)
_EXPRESSION = re.compile(r"[\d\s+*/()-]+")


class _NoExpressionError(Exception):
    """A text that is no expression of the game; the reason is told."""


def value_and_numbers(expression: str) -> tuple[Fraction, list[int]]:
    """What an expression comes to, exactly, and the numbers in it.

    Nothing is carried out but the four operations on whole numbers that stand there; no sign before
    a number, no power.

    Raises:
        ValueError: It is no such expression, or divides by zero.
    """
    try:
        if len(expression) > _LONGEST:
            raise _NoExpressionError("too long")
        tree = ast.parse(expression.strip(), mode="eval")
        numbers: list[int] = []
        return _value(tree.body, numbers), numbers
    except (_NoExpressionError, SyntaxError, ZeroDivisionError) as error:
        reason = "no expression" if isinstance(error, SyntaxError) else str(error)
        raise ValueError(reason) from None


def _value(node: ast.expr, numbers: list[int]) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        numbers.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.BinOp) and (operation := _OPERATORS.get(type(node.op))):
        left, right = _value(node.left, numbers), _value(node.right, numbers)
        if not right and isinstance(node.op, ast.Div):
            raise ZeroDivisionError("divides by zero")
        return operation(left, right)
    raise _NoExpressionError("something but numbers, + - * / and brackets")


def solution(numbers: Sequence[int]) -> str | None:
    """An expression of these numbers that makes 24; None where there is none."""
    return next(_solutions([(Fraction(number), str(number)) for number in numbers]), None)


def _solutions(left: list[tuple[Fraction, str]]) -> Iterator[str]:
    if len(left) == 1:
        if left[0][0] == GOAL:
            yield left[0][1].removeprefix("(").removesuffix(")")
        return
    for i, (a, first) in enumerate(left):
        for j, (b, second) in enumerate(left):
            if i == j:
                continue
            rest = [one for place, one in enumerate(left) if place not in (i, j)]
            for sign, value in _results(a, b, ordered=i < j):
                yield from _solutions([*rest, (value, f"({first} {sign} {second})")])


def _results(a: Fraction, b: Fraction, *, ordered: bool) -> Iterator[tuple[str, Fraction]]:
    if ordered:  # the other order gives the same
        yield "+", a + b
        yield "*", a * b
    yield "-", a - b
    if b:
        yield "/", a / b


def _read(row: TaskRow) -> TaskItem:
    puzzle = value_of(row, "puzzle", "numbers", "Puzzles")
    if isinstance(puzzle, str):
        puzzle = [int(word) for word in puzzle.split() if word.isdigit()]
    whole = isinstance(puzzle, Sequence) and all(type(one) is int for one in puzzle)
    if not whole or len(puzzle) != 4:
        raise BadItemError("the puzzle is no four whole numbers")
    answer = solution(puzzle)
    if answer is None:
        raise BadItemError("no expression of these numbers makes 24")
    return TaskItem(
        id=id_of(row, "rank"),
        question=f"Numbers: {' '.join(map(str, puzzle))}\nAnswer:",
        answer=f"{answer} = 24",
        target=tuple(puzzle),
    )


def _judge(item: TaskItem, text: str) -> TaskVerdict:
    expression = _final_expression(text)
    if expression is None:
        return TaskVerdict(False, None)
    try:
        value, used = value_and_numbers(expression)
    except ValueError as error:
        return TaskVerdict(False, expression, str(error))
    if Counter(used) != Counter(item.target):
        return TaskVerdict(False, expression, "not each number exactly once")
    return TaskVerdict(value == GOAL, expression, "" if value == GOAL else f"makes {value}")


def _final_expression(text: str) -> str | None:
    """The expression behind the last "answer", else on the last line that has one."""
    plain = text.translate(_SIGNS)
    behind = [plain[match.end() :] for match in _ANSWER.finditer(plain)]
    lines = [part.partition("\n")[0] for part in reversed(behind)]
    for line in [*lines, *reversed(plain.splitlines())]:
        sides = [
            side.strip(" .$`'\"")
            for side in re.sub(r"(?<=\d)\s*x\s*(?=[\d(])", "*", line).split("=")
        ]
        for side in sides:
            found = max(_EXPRESSION.findall(side), key=len, default="").strip()
            if re.search(r"\d\s*[-+*/)]", found):
                return str(found)
    return None


GAME24 = TaskSpec(
    name="game24",
    title="Game of 24",
    read=_read,
    judge=_judge,
    rule=(
        "The expression behind the last 'answer', else on the last line with one, must make 24 "
        "exactly and use each of the four numbers exactly once, with + - * / and brackets alone. "
        "An answer without an expression is wrong."
    ),
    rows=TaskSource("game24/game24", ("nlile/24-game", None, "train")),
    shots=5,
    instruction="Use each of the four numbers exactly once, with + - * / and brackets, to make 24. "
    "End with a line of the form: Answer: EXPRESSION = 24",
    stop=("\n",),
    max_new_tokens=64,
)
