"""Reading answers: numbers with commas, signs, fractions and units, and labels in sentences."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.eval.tasks.judging.parsing import final_number, label_in, numbers_in, rounds_to


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("#### 3", "3"),
        ("####5", "5"),
        ("It is 7.\n#### 1,000,000\n\nQuestion: 5 apples", "1000000"),
        ("#### 10 apples and 2 pears", "10"),
        ("#### $-3", "-3"),
        ("#### -$1,234.50", "-2469/2"),
        ("so 4 left #### \n7", "7"),
        ("cut off at 12 ####", "12"),
        ("The answer is 42, not 43.", "42"),
        ("The answer is: **18** dollars. 5 were given away.", "18"),
        ("Answer: 9\nQuestion: what is 2 + 2?\nAnswer: 4", "4"),
        ("He pays 18 dollars.", "18"),
        ("10-5=5", "5"),
        ("10 - 5", "5"),
        ("it falls to -7.", "-7"),
        ("it falls to −7", "-7"),
        ("48/2", "24"),
        ("1 1/2 cups", "3/2"),
        (".25", "1/4"),
        ("18.00", "18"),
        ("1.5e3", "1500"),
        ("12,34", "34"),
        ("2009-2010", "2010"),
        ("the rate was 7.87%", "787/100"),
        ("€ 5", "5"),
    ],
)
def test_the_final_number_is(text: str, value: str) -> None:
    found = final_number(text)
    assert found is not None
    assert found.value == Fraction(value)


@pytest.mark.parametrize("text", ["", "no number here", "####", "24/0", "a half"])
def test_there_is_no_number(text: str) -> None:
    assert final_number(text) is None


@given(st.integers(-(10**12), 10**12))
def test_whole_numbers_are_read_with_and_without_commas(number: int) -> None:
    for text in (f"#### {number}", f"#### {number:,}", f"so it is {number:,}.", f"{number:,}%"):
        found = final_number(text)
        assert found is not None
        assert found.value == number


@given(st.text(max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    numbers_in(text)
    final_number(text)
    label_in(text, ("yes", "no", "A"))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Yes, it is.", "yes"),
        ("no", "no"),
        ("NO!", "no"),
        ("**Maybe**", "maybe"),
        ('"yes"', "yes"),
        ("No. On a second look, the answer is yes", "yes"),
        ("The answer is: no. Question: is it? Answer: maybe", "maybe"),
        ("I think that it is yes", "yes"),
        ("I do not know", None),
        ("It is yes or no", None),
        ("yesterday, nobody", None),
        ("", None),
    ],
)
def test_the_label_of_an_answer_is(text: str, label: str | None) -> None:
    assert label_in(text, ("yes", "no", "maybe")) == label


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(A) True", "A"),
        ("A. Because", "A"),
        ("**C**", "C"),
        ("The answer is D.", "D"),
        ("The answer is B\nQuestion: next", "B"),
        ("A wumpus is no such thing", None),
        ("b", None),
        ("Option A: no. Option B: yes.", None),
    ],
)
def test_a_letter_must_stand_like_a_label(text: str, letter: str | None) -> None:
    assert label_in(text, "ABCD") == letter


@pytest.mark.parametrize(
    ("text", "wanted", "is_right"),
    [
        ("10.82621", "10.82621", True),
        ("10.83", "10.82621", True),
        ("10.8", "10.82621", True),
        ("11", "10.82621", False),  # two digits say too little
        ("10.9", "10.82621", False),
        ("2009", "2010", False),  # near, but no rounding
        ("0.0788", "0.07879", True),
        ("7.88%", "0.07879", True),
        ("7.88", "0.07879", True),
        ("8%", "0.07879", False),
        ("0.35", "35", True),
        ("-10.8", "10.82621", False),
        ("1.04249e+06", "1042490.2", True),
        ("35000000", "35000000", True),
    ],
)
def test_a_number_is_the_wanted_one_or_rounds_to_it(text: str, wanted: str, is_right: bool) -> None:
    found = final_number(text)
    assert found is not None
    assert rounds_to(found, Fraction(wanted)) == is_right
