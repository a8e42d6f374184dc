"""Answers in the graph instruct: criticised, checked, written anew; what becomes of the rest."""

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from metasynth.domains.catalogue import get_domain
from tests.instruct_runs import (
    Expert,
    InstructTeacher,
    Run,
    consult,
    documents,
    question,
    submit,
)
from tests.openai_answers import Reply
from tests.prose import prose
from tests.teacher import Attached, attachments

SHORT = [[consult("document_transformation", "document-1")], [submit("question-1")]]
ONE = {"concurrency": 1, "budget__records": 1, "budget__stall_after": 1}
FINE = "Ask the harbour master first, then weigh the parcel again and write the weight down."


def in_turn(*answers: "str | Reply") -> Expert:
    """An expert that gives these answers one after the other, the last one again and again."""
    given = itertools.chain(answers, itertools.repeat(answers[-1]))
    return lambda _, rng: next(given)


async def test_what_the_critic_is_against_is_kept_beside_the_better_answer(tmp_path: Path) -> None:
    first = "Do nothing at all and wait for the rain."
    teacher = InstructTeacher(
        SHORT,
        {
            "Answer Expert": in_turn(first, FINE),
            "Answer Critic Expert": in_turn("**Revise**: it names no one.", "Good."),
        },
    )
    with Run(tmp_path, teacher) as run:
        (record,), _, _ = await run(**ONE)
    assert record.messages is not None
    assert record.messages[1].content == FINE
    assert record.rejected_answers is not None
    (kept,) = record.rejected_answers
    assert (kept.turn, kept.content, kept.by) == (1, first, "answer_critic")
    assert kept.reason == "it names no one."
    assert record.experts[1:] == ["answer_expert", "answer_critic"] * 2
    again = attachments(run.asked("Answer Expert")[1]["messages"][-1])
    assert [(each.kind, each.text) for each in again[2:]] == [
        ("answer", first),
        ("critique", "it names no one."),
    ]


async def test_the_critic_only_advises(tmp_path: Path) -> None:
    """Someone who is never content does not stop an answer that code finds nothing wrong with."""
    teacher = InstructTeacher(SHORT, {"Answer Critic Expert": in_turn("Revise. Not good enough.")})
    with Run(tmp_path, teacher) as run:
        (record,), _, _ = await run(**ONE, instruct__answer_tries=3)
    assert record.experts.count("answer_expert") == 3
    assert record.experts.count("answer_critic") == 2  # of the last one it is not asked
    assert len(record.rejected_answers or ()) == 2


async def test_without_a_critic_nobody_is_asked(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher(SHORT)) as run:
        (record,), _, _ = await run(**ONE, instruct__critic="false")
    assert record.experts == ["document_transformation", "answer_expert"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("", "no_answer"),
        (Reply(content="", refusal="I would rather not."), "no_answer"),
        (Reply(content="It begins with a", finish_reason="length"), "too_long"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("Sure! Here is the answer you asked for: ask the clerk.", "meta_talk"),
        ("According to the document, the clerk weighs it.", "mentions_document"),
        ("word " * 401, "too_long"),
    ],
)
async def test_an_answer_that_is_none_is_written_again(
    tmp_path: Path, bad: "str | Reply", code: str
) -> None:
    teacher = InstructTeacher(SHORT, {"Answer Expert": in_turn(bad, FINE)})
    with Run(tmp_path, teacher) as run:
        (record,), rejected, _ = await run(**ONE)
    assert not rejected
    assert record.messages is not None
    assert record.messages[1].content == FINE
    written = bad if isinstance(bad, str) else bad.content
    kept = record.rejected_answers or []
    assert [(each.content, each.by) for each in kept] == (
        [(written.strip(), "gate")] if written else []
    )
    assert all(each.reason.startswith(code) for each in kept)


async def test_a_question_that_nobody_answers_goes_back_to_the_conductor(tmp_path: Path) -> None:
    teacher = InstructTeacher(
        [*SHORT, [consult("question_editor", "question-1")], [submit("question-2")]],
        {"Answer Expert": in_turn("I cannot help with that.", "I can't help with this.", FINE)},
    )
    with Run(tmp_path, teacher) as run:
        (record,), _, _ = await run(**ONE, instruct__answer_tries=2)
    assert record.refusals == ["refusal"]
    assert record.revisions == 1
    assert record.rejected_answers is None  # they were no answers to the question that was kept
    told = str(run.asked("Instruct Conductor")[2]["messages"][-1]["content"])
    assert told.startswith("refused question-1: refusal")


async def test_a_leak_goes_back_at_once(tmp_path: Path) -> None:
    answer = "The clerk seals the blue parcel and carries it to the night train before dawn."
    told: list[str] = []

    def transform(_: Sequence[Attached], rng: random.Random) -> str:
        return f"{prose([], 12, rng)} {answer} What does the clerk do?"

    teacher = InstructTeacher(
        SHORT,
        {"Document Transformation Expert": transform, "Answer Expert": in_turn(answer)},
    )
    with Run(tmp_path, teacher) as run:
        _, (record,), _ = await run(**ONE)
    assert record.refusals == ["answer_leaked"]
    assert record.experts == ["document_transformation", "answer_expert"]
    assert not told


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("According to the passage, who weighs the parcel before dawn?", "mentions_document"),
        ("Why?", "too_short"),
        ("word " * 201, "too_long"),
        ("I'm sorry, I cannot create a question about that.", "refusal"),
        ("How many are left? Solution: 5 - 4 = 1. The answer is 1.", "answer_leaked"),
    ],
)
async def test_a_bad_question_is_refused_before_it_is_answered(
    tmp_path: Path, asked: str, code: str
) -> None:
    texts = [f"{documents(1)[0]} Solution: 5 - 4 = 1. The answer is 1."]
    teacher = InstructTeacher(SHORT, {"Document Transformation Expert": in_turn(asked)})
    with Run(tmp_path, teacher, texts) as run:
        _, (record,), _ = await run(**ONE)
    if code == "refusal":  # that is no question at all, and is told to the conductor
        assert record.question == ""
        assert "declined" in str(run.asked("Instruct Conductor")[1]["messages"][-1]["content"])
    else:
        assert record.refusals == [code]
        assert record.question == asked.strip()
    assert not run.asked("Answer Expert")


async def test_a_checker_has_wrong_answers_written_anew(tmp_path: Path) -> None:
    story = get_domain("story")
    item = story.generate(random.Random(3), form="word problem")
    asked, _, solution = item.text.partition(" Solution:")
    wrong = f"Solution:{solution.replace(item.answer + '.', '49.')}"
    teacher = InstructTeacher(
        SHORT,
        {
            "Document Transformation Expert": in_turn(asked),
            "Answer Expert": in_turn(wrong, f"Solution:{solution}"),
        },
    )
    with Run(tmp_path, teacher, documents(1)) as run:
        (record,), _, _ = await run(**ONE, checker="story")
    assert record.checker is not None
    assert record.checker.passed
    (kept,) = record.rejected_answers or []
    assert (kept.by, kept.content) == ("checker", wrong)
    assert kept.reason.startswith("wrong_answer")


async def test_a_turn_that_nobody_answers_leaves_the_turns_before_it(tmp_path: Path) -> None:
    def answer(given: Sequence[Attached], rng: random.Random) -> str:
        again = any(each.kind == "conversation" for each in given)
        return "I cannot help with that." if again else prose([], 20, rng)

    with Run(tmp_path, InstructTeacher(SHORT, {"Answer Expert": answer})) as run:
        (record,), _, _ = await run(**ONE, instruct__turns=3, instruct__answer_tries=2)
    assert record.messages is not None
    assert len(record.messages) == 2
    assert {each.turn for each in record.rejected_answers or ()} == {2}


async def test_what_only_the_critic_was_against_is_better_than_nothing(tmp_path: Path) -> None:
    teacher = InstructTeacher(
        SHORT,
        {
            "Answer Expert": in_turn(FINE, "I cannot help with that."),
            "Answer Critic Expert": in_turn("Revise: say more."),
        },
    )
    with Run(tmp_path, teacher) as run:
        (record,), _, _ = await run(**ONE, instruct__answer_tries=3)
    assert record.messages is not None
    assert record.messages[1].content == FINE
    assert {each.by for each in record.rejected_answers or ()} == {"gate"}


async def test_the_same_answer_again_makes_no_pair(tmp_path: Path) -> None:
    teacher = InstructTeacher(
        SHORT,
        {"Answer Expert": in_turn(FINE), "Answer Critic Expert": in_turn("Revise: no.", "Good.")},
    )
    with Run(tmp_path, teacher) as run:
        (record,), _, _ = await run(**ONE)
    assert record.rejected_answers is None


def test_questions_of_the_tests_are_questions() -> None:
    assert question(random.Random(0)).endswith("?")
