"""A person's word in the graphs that write conversations, and what an answer may look like."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from metasynth.cli.editor import UnusableEditError, as_editable, from_editable
from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.graphs.corpus import corpus_graph
from metasynth.graphs.run.budget import Quota
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.workspace import constant
from metasynth.records.record import Record
from tests.instruct_runs import InstructTeacher, instruct_run
from tests.openai_server import OpenAIServer
from tests.softsrv_runs import QuestionTeacher, softsrv_run


class Reviewer:
    """Gives its answers one after the other, and accepts what comes then."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, question: dict[str, Any]) -> Any:
        self.asked.append(question)
        answer = self._answers.pop(0) if self._answers else "accept"
        return answer(question) if callable(answer) else answer


async def reviewed(
    run: Sequence[str], folder: Path, reviewer: Reviewer
) -> tuple[list[Record], list[Record]]:
    """What a run that asks has accepted and rejected."""
    _, path, _, *changes = run
    plan = plan_run(load_run_config(Path(path), changes[1::2]))
    graph = softsrv_graph if plan.config.graph == "softsrv" else corpus_graph
    async with open_run(plan, folder / "run") as workspace:
        asked = replace(workspace, reviewer=reviewer)
        await graph(constant(asked)).compile().ainvoke({"chains": 1})
        return list(workspace.corpus.records()), list(workspace.corpus.rejected_records())


def longer(question: dict[str, Any]) -> dict[str, Any]:
    """An edit that adds a sentence to the answer."""
    messages = [dict(message) for message in question["draft"]["messages"]]
    messages[-1]["content"] += " A colleague has looked at this."
    return {"decision": "edit", "messages": messages, "note": "clearer"}


def empty(question: dict[str, Any]) -> dict[str, Any]:
    """An edit that the gate refuses."""
    messages = [{**message, "content": "Why?"} for message in question["draft"]["messages"]]
    return {"decision": "edit", "messages": messages}


async def test_a_conversation_is_edited_and_measured_again(tmp_path: Path) -> None:
    no_messages = {"decision": "edit", "text": "a document"}
    reviewer = Reviewer("send_back: be bolder", empty, no_messages, longer)
    with OpenAIServer(InstructTeacher()) as server:
        run = instruct_run(tmp_path, server.base_url, review="true", budget__records=1)
        (record,), (sent_back,) = await reviewed(run, tmp_path, reviewer)
        assert any("be bolder" in str(request["messages"]) for request in server.requests)
    assert sent_back.refusals == ["review"]  # this teacher gives up then
    refused = [question["last_try"]["refused"] for question in reviewer.asked[2:]]
    assert refused[0].startswith("too_short:")
    assert "messages of user and assistant" in refused[1]
    assert record.messages is not None
    assert record.messages[-1].content.endswith("A colleague has looked at this.")
    assert record.review is not None
    assert (record.review.decision, record.review.note) == ("edit", "clearer")


async def test_questions_with_answers_are_decided_one_by_one(tmp_path: Path) -> None:
    reviewer = Reviewer("reject: no sum", "send_back: anything", empty, longer)
    with OpenAIServer(QuestionTeacher()) as server:
        few = {"softsrv__method": "template", "softsrv__sampling__count": 20, "budget__records": 2}
        run = softsrv_run(tmp_path, server.base_url, review="true", **few)
        (edited, accepted), (rejected,) = await reviewed(run, tmp_path, reviewer)
    assert rejected.reason == "review: no sum"
    assert rejected.review is not None and rejected.review.decision == "reject"
    assert [question["decisions"] for question in reviewer.asked] == [
        ["accept", "edit", "reject"]
    ] * len(reviewer.asked)
    assert "nobody to send it back to" in reviewer.asked[2]["last_try"]["refused"]
    assert reviewer.asked[3]["last_try"]["refused"].startswith("too_short")
    assert edited.review is not None and edited.review.decision == "edit"
    assert accepted.review is not None and accepted.review.decision == "accept"


@pytest.mark.parametrize(
    ("given", "decision", "note"),
    [
        ("accept", "accept", ""),
        (" Reject: too dull ", "reject", "too dull"),
        ({"decision": "send_back", "note": "shorter"}, "send_back", "shorter"),
    ],
)
def test_an_answer_may_be_a_word(given: Any, decision: str, note: str) -> None:
    answer = ReviewDecision.model_validate(given)
    assert (answer.decision, answer.note) == (decision, note)


@pytest.mark.parametrize("given", ["perhaps", "edit", {"decision": "edit", "text": " "}, {}, None])
def test_what_decides_nothing_is_no_answer(given: Any) -> None:
    with pytest.raises(ValidationError):
        ReviewDecision.model_validate(given)


def test_a_conversation_survives_the_editor() -> None:
    long = "One: two # three\n  indented\n\n- a list\n" + "word " * 40 + "'\"end"
    draft = {"messages": [{"role": "user", "content": long}, {"role": "assistant", "content": "6"}]}
    assert from_editable(as_editable(draft), draft) == draft
    assert from_editable(as_editable({"text": long}), {"text": long}) == {"text": long}


@pytest.mark.parametrize("text", ["", "  ", "a: [", "[1, 2]", "- {role: user, content: 5}"])
def test_what_the_editor_spoils_is_told(text: str) -> None:
    with pytest.raises(UnusableEditError):
        from_editable(text, {"messages": [{"role": "user", "content": "x"}]})


async def test_a_record_put_aside_lets_another_have_its_place() -> None:
    quota = Quota(1, accepted=0, stall_after=9)
    assert await quota.take()
    await quota.put_aside("a")
    assert await quota.take()  # would wait for ever else
    assert await quota.take_up("a")
    assert not await quota.take_up("a")
    await quota.finish(accepted=True)
    assert not await quota.take()
