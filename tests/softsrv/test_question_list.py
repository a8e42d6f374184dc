"""Numbered questions are read from whatever a model makes of the request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.softsrv.baselines.question_list import numbered_questions, tidy_question

LAMPS, TRAYS, ROPES = "How many lamps?", "How many trays\nare there?", "How many ropes, Ann?"
THREE = [LAMPS, TRAYS, ROPES]

REPLIES = {
    "as asked": f"{LAMPS}\n\nQuestion 2: {TRAYS}\n\nQuestion 3: {ROPES}",
    "with its own number 1": f"Question 1: {LAMPS}\nQuestion 2: {TRAYS}\nQuestion 3: {ROPES}",
    "after a greeting": f"Sure! Here are 3:\n\n1. {LAMPS}\n2. {TRAYS}\n3. {ROPES}\n",
    "bold": f"**Question 1:** {LAMPS}\n\n**Question 2:** {TRAYS}\n\n**Question 3:** {ROPES}",
    "bold numbers": f"**1.** {LAMPS}\n**2.** {TRAYS}\n**3.** {ROPES}",
    "headings": f"### Question 1\n{LAMPS}\n\n### Question 2\n{TRAYS}\n\n### Question 3\n{ROPES}",
    "brackets": f"1) {LAMPS}\n2) {TRAYS}\n3) {ROPES}",
    "dots": f"Question 1. {LAMPS}\nQuestion 2. {TRAYS}\nQuestion 3. {ROPES}",
    "short": f"Q1: {LAMPS}\nQ2: {TRAYS}\nQ3: {ROPES}",
    "rules between": f"{LAMPS}\n\n---\n\nQuestion 2: {TRAYS}\n\n---\n\nQuestion 3: {ROPES}\n***",
    "on one line": f"{LAMPS} Question 2: {TRAYS} Question 3: {ROPES}",
    "in quotes": f'Question 1: "{LAMPS}"\nQuestion 2: "{TRAYS}"\nQuestion 3: “{ROPES}”',
    "problems": f"Problem 1: {LAMPS}\nProblem 2: {TRAYS}\nProblem 3: {ROPES}",
    "with answers": f"{LAMPS}\nAnswer: 4\nQuestion 2: {TRAYS} Solution: 2 + 2 = 4.\n"
    f"Question 3: {ROPES}\n**Answer:** 7",
    "windows": f"{LAMPS}\r\nQuestion 2: {TRAYS}\r\nQuestion 3: {ROPES}",
    "twice one": f"Question 1: {LAMPS}\nQuestion 1: {LAMPS}\nQuestion 2: x\nQuestion 3: y",
}


@pytest.mark.parametrize("name", sorted(set(REPLIES) - {"twice one"}))
def test_every_manner_of_numbering_gives_the_same_questions(name: str) -> None:
    found = numbered_questions(REPLIES[name], count=3, cut_before=("Answer:", "Solution:"))
    assert found == THREE


def test_a_list_inside_a_question_is_no_question() -> None:
    reply = "Rules:\n1. add\n2. double\nWhat comes out?\n\nQuestion 2: And of 7?\n\nQuestion 3: 8?"
    assert numbered_questions(reply, count=10) == [
        "Rules:\n1. add\n2. double\nWhat comes out?",
        "And of 7?",
        "8?",
    ]


def test_a_number_that_is_left_out_loses_one_question_only() -> None:
    reply = "Question 1: a?\nQuestion 2: b?\nQuestion 4: d?\nQuestion 5: e?"
    assert numbered_questions(reply, count=10) == ["a?", "b?", "d?", "e?"]


def test_a_number_in_a_sentence_is_no_mark() -> None:
    reply = "Ann reads question 2 of the test. How many are left?"
    assert numbered_questions(reply, count=10) == [reply]


def test_more_than_were_asked_for_are_left() -> None:
    assert numbered_questions(REPLIES["bold"], count=2) == THREE[:2]


def test_a_reply_without_numbers_is_one_question() -> None:
    assert numbered_questions(f"  {TRAYS}\n", count=1) == [TRAYS]


@pytest.mark.parametrize("reply", ["", "  \n", "Question 1:", "1. \n2. \n"])
def test_an_empty_reply_has_none(reply: str) -> None:
    assert numbered_questions(reply, count=10) == []


def test_passages_stay_whole() -> None:
    one, two = "PASSAGE: Cats purr. QUESTION: do cats purr", "PASSAGE: Owls. QUESTION: do owls fly"
    assert numbered_questions(f"{one}\n\nQuestion 2: {two}", count=10) == [one, two]


def test_what_begins_with_a_mark_is_not_cut_to_nothing() -> None:
    assert tidy_question("Answer: what is it?", cut_before=("Answer:",)) == "Answer: what is it?"


@given(st.lists(st.text("abc? ", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=12))
def test_what_is_numbered_as_asked_comes_back(questions: list[str]) -> None:
    numbered = [f"Question {n}: {text}" for n, text in enumerate(questions, start=1)]
    reply = "\n\n".join(numbered).removeprefix("Question 1: ")
    assert numbered_questions(reply, count=len(questions)) == questions


@given(st.text(max_size=300), st.integers(1, 12))
def test_no_reply_breaks_it(reply: str, count: int) -> None:
    found = numbered_questions(reply, count=count, cut_before=("Answer:",))
    assert len(found) <= count
    assert all(question.strip() == question and question for question in found)
