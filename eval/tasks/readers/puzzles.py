"""Game of 24: four numbers, each used exactly once, with + - * / and brackets, make 24."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from metasynth.eval.tasks.judging.expressions import GOAL
from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskRow, id_of, value_of


def read_game24(row: TaskRow) -> TaskItem:
    """The numbers are the target; the answer is the first solution there is."""
    puzzle = value_of(row, "puzzle", "numbers", "Puzzles")
    if isinstance(puzzle, str):
        puzzle = [int(word) for word in puzzle.split() if word.isdigit()]
    whole = isinstance(puzzle, Sequence) and all(type(number) is int for number in puzzle)
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
            rest = [pair for place, pair in enumerate(left) if place not in (i, j)]
            for sign, value in _results(a, b, ordered=i < j):
                yield from _solutions([*rest, (value, f"({first} {sign} {second})")])


def _results(a: Fraction, b: Fraction, *, ordered: bool) -> Iterator[tuple[str, Fraction]]:
    if ordered:  # the other order gives the same
        yield "+", a + b
        yield "*", a * b
    yield "-", a - b
    if b:
        yield "/", a / b
