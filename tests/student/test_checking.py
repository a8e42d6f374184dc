"""Checkers of own answers: numbers as people write them, and the domains' own verifiers."""

import random
from fractions import Fraction

import pytest

from metasynth.domains.catalogue import get_domain
from metasynth.domains.language.base import split_solution
from metasynth.errors import RequestError
from metasynth.student.rows import make_row
from metasynth.student.scoring.checking import (
    check_exact,
    check_number,
    final_number,
    make_checker,
)
from tests.raising import raises


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so 3 + 4 = 7\n#### 7", Fraction(7)),
        ("#### 1,234", Fraction(1234)),
        ("#### -5", Fraction(-5)),
        ("#### −5 degrees, not 6", Fraction(-5)),
        ("#### 3/4", Fraction(3, 4)),
        ("#### $2.50", Fraction(5, 2)),
        ("#### 5\nor rather #### 6", Fraction(6)),
        ("First 3, then 12.", Fraction(12)),
        ("It is .5", Fraction(1, 2)),
        ("about 1,000,000.25 in all", Fraction(4000001, 4)),
        ("#### 1/0", None),
        ("#### none", None),
        ("no number", None),
        ("", None),
    ],
)
def test_the_final_number_is_read(text: str, number: Fraction | None) -> None:
    assert final_number(text) == number


def test_numbers_are_compared_by_value() -> None:
    row = make_row({"prompt": "How many?", "completion": "2 + 2 = 4\n#### 4"})
    assert check_number(row, "The answer is 4.0").passed is True
    assert check_number(row, "#### 5").passed is False
    assert check_number(row, "I do not know").passed is False
    assert check_number(make_row({"prompt": "How?", "completion": "so"}), "4").passed is None


def test_exact_means_but_for_space_and_case() -> None:
    row = make_row({"prompt": "x", "completion": "New  York\n"})
    assert check_exact(row, " new york").passed is True
    assert check_exact(row, "york").passed is False
    assert check_exact(make_row({"prompt": "x"}), "york").passed is None


@pytest.mark.parametrize("name", ["story", "deduction", "passage", "any"])
def test_a_domain_verifies_answers_to_its_own_problems(name: str) -> None:
    check = make_checker(name)
    for seed in range(5):
        item = get_domain(name).generate(random.Random(seed))
        problem, solution = split_solution(item.text)
        row = make_row({"prompt": problem, "completion": solution})
        assert check(row, solution).passed is True
        assert check(row, "I would say 99999.").passed is False
    other = make_row({"prompt": "Who are you?", "completion": "Nobody."})
    assert check(other, "Nobody.").passed is None


def test_an_unknown_checker_is_told_with_those_there_are() -> None:
    with raises(RequestError, "unknown_checker", "'oracle'") as caught:
        make_checker("oracle")
    assert caught.value.hint is not None and "number, exact, story" in caught.value.hint
