"""Leaks, mentions of what the reader does not see, and the instructions of one document."""

import pytest

from metasynth.errors import BudgetEndedError
from metasynth.graphs.admission.instruction_checks import (
    answer_share,
    leaked_answer,
    unseen_mention,
    without_label,
)
from metasynth.graphs.admission.likeness import SiblingQuestions
from metasynth.graphs.seeding.documents import DocumentPicker
from metasynth.records.documents import Document
from metasynth.records.record import Message, Record
from tests.raising import raises

DOCUMENT = (
    "The harbour bank lent five million euros to the port authority in March, after a vote of the "
    "council that was close, and the loan runs over ten years at a fixed rate of three percent."
)


@pytest.mark.parametrize(
    "text",
    [
        "According to the passage, who lent the money?",
        "What does the text say about the loan?",
        "Summarize the document in one sentence.",
        "Based on the provided excerpt, how long does the loan run?",
        "As described in the article, who voted?",
        "In the text above, who is the lender?",
        "From this paragraph, list the parties.",
        "Why is the loan mentioned in the source text?",
        "What would the author of the article advise?",
        "Use the attached document to name the lender.",
        "Using the given context, name the lender.",
    ],
)
def test_a_question_may_not_point_at_what_nobody_sees(text: str) -> None:
    assert unseen_mention(text, DOCUMENT)


@pytest.mark.parametrize(
    "text",
    [
        "Who lent five million euros to the port authority?",
        "A clerk files a document in a drawer and signs another. How many documents are there?",
        "Write a text message that tells a friend about the loan.",
        "Which passage leads from the harbour to the sea?",
        "In this context, what is a fixed rate?",
        f'Read this passage: "{DOCUMENT}" According to the passage, who lent the money?',
        f"{DOCUMENT}\n\nBased on the text above, who lent the money?",
        "Translate the following text: Guten Morgen, liebe Leute.",
    ],
)
def test_what_a_question_carries_it_may_speak_of(text: str) -> None:
    assert not unseen_mention(text, DOCUMENT)


def test_an_answer_may_speak_of_what_its_question_carries() -> None:
    answer = "The text says that the bank lent the money.\n\nMore " + "words " * 40
    assert unseen_mention(answer, DOCUMENT, question="Who lent the money?")
    assert not unseen_mention(answer, DOCUMENT, question=f"{DOCUMENT}\n\nWho is the lender?")


def test_a_huge_text_keeps_no_pattern_busy() -> None:
    for part in ("according to the ", "given above ", '"word ', "answer is ", "> ", "question "):
        text = part * 20_000
        unseen_mention(text, text)
        leaked_answer(text, text)
        without_label(text)


def test_a_worked_solution_in_the_question_is_found() -> None:
    solution = "5 - 4 = 1. The answer is 1."
    assert leaked_answer(f"How many are left? Solution: {solution}", solution)
    assert leaked_answer("Who is it? **Answer:** the port authority", "It is the port authority.")
    assert not leaked_answer("How many are left?", solution)
    assert not leaked_answer("Is it fixed? Answer: yes or no.", "It is fixed. The answer is yes.")
    assert not leaked_answer("What is the answer?", solution)
    how = "Who lent the money? Answer: the name of the bank in one word."
    assert not leaked_answer(how, DOCUMENT)
    assert leaked_answer("Who gave money? Answer: the harbour bank lent five.", DOCUMENT)
    assert leaked_answer("Is it fixed? Answer: yes.", "Yes, at three percent.")


def test_the_share_of_an_answer_that_its_question_holds() -> None:
    assert answer_share("one two three four five six", "one two three four five six") == 1
    assert answer_share("one two three four x y", "one two three four five six") == 1 / 3
    assert answer_share("anything at all", "yes") == 0


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Question: Why?", "Why?"),
        ("**Question 2:** Why?", "Why?"),
        ("Task:\nWhy?", "Why?"),
        ("Problem solved: why?", "Problem solved: why?"),
        ("Solution: 5", "Solution: 5"),
        ("Questions: a study", "Questions: a study"),
    ],
)
def test_labels_are_no_part_of_a_question(text: str, bare: str) -> None:
    assert without_label(text) == bare


def asked(id_: str, parent: str, question: str) -> Record:
    messages = [Message(role="user", content=question), Message(role="assistant", content="Yes.")]
    return Record(id=id_, kind="instruction", messages=messages, parent_ids=[parent])


def test_siblings_are_those_of_the_same_document() -> None:
    siblings = SiblingQuestions(0.7)
    siblings.learn(asked("a", "d1", "Who lent the money to the port?"))
    siblings.learn(asked("b", "d2", "How long does the loan run?"))
    siblings.learn(Record(id="c", text="A document.", parent_ids=["d1"]))
    assert siblings.asked_of("d1") == ["Who lent the money to the port?"]
    assert siblings.asked_of("d3") == []
    match = siblings.most_similar("d1", "Who lent the money to the town?")
    assert match is not None
    assert (match.id, round(match.share, 3)) == ("a", round(6 / 7, 3))
    assert siblings.most_similar("d3", "Who?") is None


class TestDocumentPicker:
    def picker(self, count: int, *, each: int = 2) -> DocumentPicker:
        documents = [Document(f"d{n}", f"text {n}") for n in range(count)]
        return DocumentPicker(documents, per_document=each, random_seed=1)

    async def test_every_document_has_its_turn_before_one_has_its_second(self) -> None:
        picker = self.picker(3)
        picked = [(await picker.pick(chain)).id for chain in ("00", "01", "00", "01", "01", "00")]
        assert picked[:3] == picked[3:]
        assert sorted(picked[:3]) == ["d0", "d1", "d2"]

    async def test_it_ends_when_each_has_as_many_as_it_shall_have(self) -> None:
        picker = self.picker(2, each=3)
        picked = [(await picker.pick(chain)).id for chain in ("00", "01", "02", "00", "01", "02")]
        assert picked.count("d0") == picked.count("d1") == 3
        with raises(BudgetEndedError, "documents_used_up", "3 "):
            await picker.pick("03")

    async def test_it_goes_on_where_an_earlier_start_stopped(self) -> None:
        first, again = self.picker(3), self.picker(3)
        picked = [(await first.pick("00")).id for _ in range(6)]
        for id_ in (*picked[:3], "seed-of-another-run"):
            again.remember("00", id_)
        assert [(await again.pick("00")).id for _ in range(3)] == picked[3:]
