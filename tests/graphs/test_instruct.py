"""The graph instruct: the way of an instruction from its document to the corpus."""

from pathlib import Path

import pytest

from metasynth.errors import ConfigError
from tests.instruct_runs import (
    InstructTeacher,
    Run,
    consult,
    documents,
    submit,
)
from tests.raising import raises
from tests.screened_runs import Student, told
from tests.teacher import attachments


async def test_an_instruction_names_its_document_and_its_experts_in_order(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher()) as run:
        accepted, rejected, stopped = await run()
    assert len(accepted) == 6
    assert not rejected
    assert stopped == "budget.records: all records are written"
    texts = documents(4)
    for record in accepted:
        assert record.kind == "instruction"
        assert record.messages is not None
        assert [message.role for message in record.messages] == ["user", "assistant"]
        assert record.experts == [
            "document_transformation",
            "persona_suggestion",
            "complexity_suggestion",
            "question_editor",
            "answer_expert",
            "answer_critic",
        ]
        assert record.persona == "a sceptical clerk"
        assert record.parent_ids == record.seed_ids
        assert len(record.parent_ids) == 1
        assert record.source == "instruct"
        assert record.rejected_answers is None
        assert record.generation.calls == 10
        assert record.novelty is not None
    shown = {
        each.text for r in run.asked("Answer Expert") for each in attachments(r["messages"][-1])
    }
    assert shown & set(texts)


async def test_documents_travel_by_reference_only(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher()) as run:
        await run()
    conductor = run.asked("Instruct Conductor")
    assert conductor
    for request in conductor:
        said = str(request["messages"])
        assert not any(text[:60] in said for text in documents(4))


async def test_the_answer_expert_sees_the_question_and_the_document_alone(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher()) as run:
        await run()
    for request in run.asked("Answer Expert"):
        assert len(request["messages"]) == 2
        kinds = [each.kind for each in attachments(request["messages"][-1])]
        assert kinds == ["document", "question"]


async def test_every_document_gets_so_many_and_then_the_run_ends(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher()) as run:
        accepted, rejected, stopped = await run(budget__records=50, instruct__per_document=3)
    assert stopped == "documents: 3 instructions were begun from each of the 4"
    parents = [record.parent_ids[0] for record in (*accepted, *rejected)]
    assert sorted(parents.count(parent) for parent in set(parents)) == [3, 3, 3, 3]


async def test_the_conductor_is_told_of_the_instructions_of_its_document(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher(), documents(1)) as run:
        accepted, _, _ = await run(concurrency=1, budget__records=3, instruct__per_document=3)
    briefs = [
        str(request["messages"][1]["content"])
        for request in run.asked("Instruct Conductor")
        if len(request["messages"]) == 2
    ]
    assert "has already" not in briefs[0]
    for record, brief in zip(accepted, briefs[1:], strict=False):
        assert "Instructions that this document has already" in brief
        assert record.question.split()[0] in brief


async def test_a_second_question_like_the_first_of_its_document_is_refused(tmp_path: Path) -> None:
    same = "Why did the clerk of the harbour office seal the blue parcel twice before dawn?"
    other = "Why did the clerk of the harbour office seal the red parcel twice before noon?"
    given = iter((same, other))
    teacher = InstructTeacher(
        [[consult("document_transformation", "document-1")], [submit("question-1")]],
        {"Document Transformation Expert": lambda _, rng: next(given)},
    )
    with Run(tmp_path, teacher, documents(1)) as run:
        accepted, rejected, _ = await run(
            concurrency=1,
            budget__records=2,
            gate__min_distance=0,
            gate__max_ngram_overlap=1,
            gate__max_same_opening=9,
        )
    assert [record.question for record in accepted] == [same]
    assert rejected[0].refusals == ["too_close"]
    assert rejected[0].question == other


async def test_several_turns_go_on_from_the_conversation(tmp_path: Path) -> None:
    with Run(tmp_path, InstructTeacher()) as run:
        accepted, _, _ = await run(budget__records=3, instruct__turns=3)
    for record in accepted:
        assert record.messages is not None
        assert [m.role for m in record.messages] == ["user", "assistant"] * 3
        assert record.experts.count("follow_up") == 2
        assert record.experts.count("answer_expert") == 3
    told = [attachments(request["messages"][-1]) for request in run.asked("Follow Up Expert")]
    assert all([each.kind for each in given] == ["document", "conversation"] for given in told)
    conversations = {given[1].text for given in told}
    first = accepted[0].messages
    assert first is not None
    assert f"User: {first[0].content}\n\nAssistant: {first[1].content}" in conversations


async def test_a_follow_up_that_cannot_be_used_ends_the_conversation(tmp_path: Path) -> None:
    teacher = InstructTeacher(
        experts={"Follow Up Expert": lambda _, rng: "And what does the passage say about that?"}
    )
    with Run(tmp_path, teacher) as run:
        accepted, _, _ = await run(budget__records=2, instruct__turns=3, instruct__answer_tries=2)
    for record in accepted:
        assert record.messages is not None
        assert len(record.messages) == 2
        assert record.experts.count("follow_up") == 2


@pytest.mark.parametrize("accept", ["threshold", "best"])
async def test_the_student_has_its_say(tmp_path: Path, accept: str) -> None:
    student = Student()
    settings = told(accept=accept, batch=4, keep=2, warmup=2, quantile=0.5)
    with Run(tmp_path, InstructTeacher(), documents(8), student) as run:
        # which ones are refused depends on who is first: it may be many in a row
        accepted, rejected, _ = await run(
            budget__records=4, budget__stall_after=99, instruct__per_document=9, **settings
        )
    assert len(accepted) == 4
    assert all(record.student is not None for record in accepted)
    assert {record.id for record in (*accepted, *rejected)} == set(student.scored)
    if accept == "best":
        assert [record.student.place for record in accepted if record.student] == [1, 2, 1, 2]
        assert {(record.reason or "").partition(":")[0] for record in rejected} == {"student"}


async def test_one_chain_repeats_itself(tmp_path: Path) -> None:
    bodies = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with Run(tmp_path / name, InstructTeacher()) as run:
            accepted, _, _ = await run(concurrency=1)
        bodies.append([record.body for record in accepted])
    assert bodies[0] == bodies[1]


def test_a_run_without_documents_is_told_so(tmp_path: Path) -> None:
    from metasynth.config.file import load_run_config
    from tests.instruct_runs import run_file

    path = run_file(tmp_path, documents(1))
    with raises(ConfigError, "invalid_value", "seeds.documents: "):
        load_run_config(path, ["seeds.documents=null", "seeds.keywords=[[a, b]]"])
