"""Short skills: what is generated is read back and right; what is changed is found wrong."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.domains.skills import LEVELS, SKILLS, SkillsDomain, split_line

DOMAIN = SkillsDomain()
RNGS = st.integers(0, 2**32).map(random.Random)


@settings(max_examples=300, deadline=None)
@given(RNGS, st.sampled_from(sorted(SKILLS)), st.sampled_from(LEVELS))
def test_what_is_written_is_read_back_and_right(rng: random.Random, skill: str, level: int) -> None:
    item = DOMAIN.generate(rng, form=skill, level=level)
    assert item.form == skill
    assert DOMAIN.parse(item.text) == item
    assert DOMAIN.check(item.text).passed is True


@settings(max_examples=200, deadline=None)
@given(RNGS, RNGS)
def test_another_answer_is_wrong(rng: random.Random, other: random.Random) -> None:
    item = DOMAIN.generate(rng)
    wrong = DOMAIN.generate(other, form=item.form).answer
    check = DOMAIN.check(f"{split_line(item.text)[0]} = {wrong}")
    assert check.parsed
    assert check.passed is (wrong == item.answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("after 99", "100"),
        ("before 10", "9"),
        ("largest 4092", "9"),
        ("smallest 4092", "0"),
        ("sort 4092", "0249"),
        ("reverse ABC", "CBA"),
        ("rotate ABCD", "BCDA"),
        ("swap ABCD", "DBCA"),
        ("swap A", "A"),
        ("next AHB", "BAC"),
        ("double AB", "AABB"),
        ("distinct ABAC", "ABC"),
        ("pick 2 ABC", "B"),
        ("pick 4 ABC", "none"),
    ],
)
def test_each_skill_by_hand(question: str, answer: str) -> None:
    assert DOMAIN.check(f"{question} = {answer}").passed is True
    assert DOMAIN.check(f"{question} = {answer}0").passed is not True


@pytest.mark.parametrize(
    "text",
    [
        "sort 4092",
        "sort 4092 =",
        "sort ABC = ABC",
        "after 07 = 8",
        "reverse 12 = 21",
        "pick ABC = A",
        "cook ABC = CBA",
        " reverse ABC = CBA",
        "reverse ABC = CBA.",
        "reverse ABC = CBA\n",
        "reverse ABC = CBA = CBA",
    ],
)
def test_what_is_no_item_is_not_understood(text: str) -> None:
    assert DOMAIN.parse(text) is None
    assert DOMAIN.check(text).passed is None


def test_strange_skills_and_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown skill 'cook'; one of after, before"):
        DOMAIN.generate(random.Random(0), form="cook")
    with pytest.raises(ValueError, match="unknown level 9"):
        DOMAIN.generate(random.Random(0), level=9)
