"""What follows from a judgement in the instruct graph: where a question and its answers go."""

import asyncio
from dataclasses import replace
from typing import Any, Literal

from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.document.artifacts import unasked
from metasynth.graphs.document.decision import lost
from metasynth.graphs.document.decision import refused as sent_back
from metasynth.graphs.run.nodes import Command
from metasynth.graphs.run.state import Submission
from metasynth.graphs.tail.tail import after_gate
from metasynth.graphs.workspace import Workspace

from .answers import CRITIC, answer_problem
from .state import InstructState, Rejected

_OF_THE_QUESTION = ("answer_leaked",)  # no other answer would help


def answered(
    workspace: Workspace, state: InstructState, verdict: Verdict, update: InstructState
) -> Command[Literal["follow_up", "checks", "score"]]:
    """The turn is done: ask on, or hand the conversation to the student."""
    answer = state["answer"]
    conversation = [
        *state["conversation"],
        {"question": state["question"], "answer": answer},
    ]
    done: dict[str, Any] = {**update, "conversation": conversation}
    done["rejected_answers"] = [
        each
        for each in state["rejected_answers"]
        if each["turn"] < len(conversation) or each["content"] != answer
    ]
    if len(conversation) == 1:
        measured = replace(Verdict.load(state["verdict"]), checker=verdict.checker)
        done["verdict"] = measured.dump()
    more = len(conversation) < workspace.config.instruct.turns
    return Command(update=done, goto="follow_up" if more else after_gate(workspace))


async def unanswered(
    workspace: Workspace, state: InstructState, verdict: Verdict, *, tries_left: bool
) -> Command[Literal["answer", "follow_up", "checks", "score", "conductor", "reject"]]:
    """Have another answer written, or go back with the question."""
    by = "checker" if verdict.checker is not None else "gate"
    rejected = with_rejected(state, by=by, reason=verdict.reason)
    if tries_left and verdict.code not in _OF_THE_QUESTION:
        update = {"rejected_answers": rejected, "critique": verdict.detail, "problem": {}}
        return Command(update=update, goto="answer")
    turn = len(state["conversation"]) + 1
    # what only the critic was against had passed everything else, and its word is advice
    spared = [each for each in rejected if each["turn"] == turn and each["by"] == CRITIC]
    if spared and verdict.code not in _OF_THE_QUESTION:
        spared_state: InstructState = {
            **state,
            "answer": spared[-1]["content"],
            "rejected_answers": rejected,
        }
        again = await asyncio.to_thread(answer_problem, workspace, {**spared_state, "cut": False})
        return answered(
            workspace, spared_state, again, InstructState(answer=spared_state["answer"])
        )
    if state["conversation"]:  # the turns before this one are whole
        return Command(update={"rejected_answers": rejected}, goto=after_gate(workspace))
    return refused(workspace, state, verdict, update={"rejected_answers": rejected})


def with_rejected(state: InstructState, *, by: str, reason: str) -> list[Rejected]:
    """The rejected answers with the one in work; one without a word is none."""
    if not state["answer"]:
        return state["rejected_answers"]
    turn = len(state["conversation"]) + 1
    rejected = Rejected(turn=turn, content=state["answer"], by=by, reason=reason)
    return [*state["rejected_answers"], rejected]


def refused(
    workspace: Workspace,
    state: InstructState,
    verdict: Verdict,
    *,
    update: InstructState | None = None,
) -> Command[Literal["conductor", "reject"]]:
    """Tell the conductor why, unless its bound was reached before: then that was the last."""
    command = sent_back(workspace, state, verdict)
    changes = {**command.update, **(update or {})}
    if state.get("stopped"):
        return Command(update={**changes, "messages": [], "reason": verdict.reason}, goto="reject")
    return Command(update=changes, goto=command.goto)


def stopped(
    workspace: Workspace, state: InstructState, reason: str
) -> Command[Literal["gate", "reject"]]:
    """The conductor may go no further: take the last question that it has, or give up."""
    questions = [ref for ref, a in state["artifacts"].items() if a["kind"] == "question"]
    required = workspace.config.conductor.require
    if not questions or unasked(state["artifacts"], questions[-1], required):
        return lost(reason)
    submission = Submission(draft=questions[-1], call_id=f"{state['record_id']}/stopped")
    return Command(update={"submission": submission, "stopped": True}, goto="gate")
