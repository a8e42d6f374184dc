"""The oracle of instructions, and the graph instruct with it as its only model."""

import importlib
import random
from pathlib import Path

import pytest

from metasynth.cli.execution import run_plan
from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.domains.catalogue import get_domain
from metasynth.records.record import read_records
from tests.commands import fast_embedder
from training.chat import Attachment, Message
from training.conductor import BRIEF, TITLE
from training.crafts import CRAFTS
from training.instruct_conductor import INSTRUCT_BRIEF, INSTRUCT_TITLE, instruct_policy
from training.instruct_judging import judge_instruct_task
from training.instruct_oracle import (
    CHECK,
    EDIT,
    INSTRUCT_ROLES,
    SUGGESTIONS,
    TRANSFORM,
    instruct_oracle,
    problem_of,
)
from training.instruct_tasks import INSTRUCT_TASKS
from training.oracle_model import OracleChatModel, whole_conversations
from training.tasks import TASKS, Stream

DEMO = Path(__file__).parent.parent.parent / "examples" / "instruct-demo.yaml"
ANY = get_domain("any")


def brief(*forms: str) -> list[Message]:
    attached = [Attachment("document", "document-1", "document-1")]
    if forms:
        attached.append(Attachment("forms", ", ".join(forms), "forms"))
    return [Message("system", INSTRUCT_TITLE), Message("user", INSTRUCT_BRIEF, tuple(attached))]


@pytest.mark.parametrize("craft", CRAFTS, ids=lambda craft: craft.name)
def test_a_question_is_its_document_without_the_solution(craft) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(5)
    for form in craft.forms:
        item = craft.draft(rng, form=form, keywords=())
        attached = [Attachment("document", item.text)]
        assert instruct_oracle("document_transformation", TRANSFORM, attached, rng) == problem_of(
            item.text
        )
        told = f"Turn the document into a {craft.forms[0]}."
        other = instruct_oracle("document_transformation", told, attached, rng)
        read = craft.read(other)
        assert read is not None
        assert read.form == craft.forms[0]
        assert "Solution:" not in other


@pytest.mark.parametrize("craft", CRAFTS, ids=lambda craft: craft.name)
def test_suggestions_can_be_carried_out(craft) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(6)
    for form in craft.forms:
        question = problem_of(craft.draft(rng, form=form, keywords=()).text)
        for role, asked in SUGGESTIONS.items():
            given = [Attachment("question", question)]
            note = Attachment("note", instruct_oracle(role, asked, given, rng))
            edited = instruct_oracle("question_editor", EDIT, [*given, note], rng)
            assert craft.read(edited) is not None, edited
            assert edited != question


@pytest.mark.parametrize("craft", CRAFTS, ids=lambda craft: craft.name)
def test_the_critic_is_the_checker(craft) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(7)
    item = craft.draft(rng, form=craft.forms[0], keywords=())
    for text, said in ((item.text, "Good."), (craft.spoil(item, rng), "Revise: ")):
        question, _, answer = text.partition(" Solution:")
        given = [Attachment("question", question), Attachment("answer", f"Solution:{answer}")]
        assert instruct_oracle("answer_critic", CHECK, given, rng).startswith(said)


@pytest.mark.parametrize("role", INSTRUCT_ROLES)
def test_every_expert_answers_what_nobody_understands(role: str) -> None:
    kinds = ("document", "question", "note", "answer")
    attached = [Attachment(kind, "Some {{ odd }} text.") for kind in kinds]
    assert instruct_oracle(role, "Do it.", attached, random.Random(0))


def test_the_conductor_submits_and_answers_refusals() -> None:
    for seed in range(40):
        rng, messages = random.Random(seed), brief("riddle", "report")
        submitted = 0
        for _ in range(30):
            (call,) = instruct_policy(messages, rng)
            messages.append(Message("assistant", tool_calls=(call,)))
            if call.name == "give_up":
                break
            count = sum("question" in m.content for m in messages if m.role == "tool") + 1
            kind = "note" if "suggestion" in str(call.arguments.get("expert")) else "question"
            result = f"{kind}-{count} by someone"
            if call.name == "submit":
                submitted += 1
                result = f"refused {call.arguments['question']}: too_close"
            messages.append(Message("tool", result))
        assert submitted == 3
        assert messages[-1].tool_calls[0].name == "give_up"


def test_the_tasks_are_in_the_stream_and_judged_right() -> None:
    stream = Stream(stage="all", seed=11)
    assert set(INSTRUCT_TASKS) <= set(TASKS)
    for task in ("transform", "suggest", "revise", "criticise"):
        for number in range(20):
            messages = stream.example(number, task=task)
            assert judge_instruct_task(messages, messages[-1].content)[1], messages


def test_the_real_graph_runs_with_the_oracle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = OracleChatModel(seed=2)
    voices = importlib.import_module("metasynth.compose.chat_models")
    monkeypatch.setitem(vars(voices), "chat_model", lambda _: oracle)
    changes = ["budget.records=6", "concurrency=3", f"memory.embedder={fast_embedder()}"]
    plan = plan_run(load_run_config(DEMO, [*changes, "gate.min_distance=0.01"]))
    assert run_plan(plan, tmp_path / "run", quiet=True) == 0
    records = list(read_records(tmp_path / "run" / "corpus.jsonl"))
    assert len(records) == 6
    for record in records:
        assert record.checker is not None
        assert record.checker.passed
        assert ANY.check(record.body).passed
        assert record.experts[0] == "document_transformation"
        assert record.experts[-2:] == ["solution_expert", "answer_critic"]
    traces = whole_conversations(oracle.traces)
    assert len(traces) >= 6
    assert all(trace[0].content == INSTRUCT_TITLE for trace in traces)
    assert TITLE != INSTRUCT_TITLE
    assert BRIEF != INSTRUCT_BRIEF
