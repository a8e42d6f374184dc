"""Arithmetic expressions in answers: the Game of 24."""

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

from metasynth.eval.tasks.spec import TaskItem, TaskVerdict

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


def judge_expression(item: TaskItem, text: str) -> TaskVerdict:
    """Whether the final expression makes 24 of the numbers of the target."""
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
            expression = max(_EXPRESSION.findall(side), key=len, default="").strip()
            if re.search(r"\d\s*[-+*/)]", expression):
                return str(expression)
    return None
