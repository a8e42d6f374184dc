"""Drafts and records of instructions."""

import asyncio
from dataclasses import replace
from typing import Any

from metasynth.graphs.admission.gate import Draft, Verdict
from metasynth.graphs.approval import Answer, review_of, turns_of
from metasynth.graphs.document.artifacts import generation
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import CheckerResult, Message, Record, RejectedAnswer
from metasynth.text.words import excerpt

from .answers import answer_problem, question_problem
from .state import InstructState

_HALF = 30  # words at either end that stand for a question: what is asked may be at both


def digest_of(question: str) -> str:
    """A question as it is compared: whole, or its beginning and its end."""
    found = question.split()
    if len(found) <= 2 * _HALF:
        return excerpt(question, 2 * _HALF)
    return f"{excerpt(question, _HALF)} {' '.join(found[-_HALF:])}"


def asked_in(state: InstructState) -> str:
    """All questions of the conversation."""
    asked = [turn["question"] for turn in state.get("conversation", [])]
    return "\n\n".join(asked or [state.get("question", "")])


def conversation_draft(state: InstructState) -> Draft:
    """What the gate compares of a whole conversation."""
    return question_draft(asked_in(state), parent=state["seed"]["id"])


def edited_conversation(_state: InstructState, answer: Answer) -> dict[str, Any]:
    """The update that takes a person's version of the conversation."""
    turns = turns_of(answer)
    return {"conversation": turns, "question": turns[-1]["question"], "answer": turns[-1]["answer"]}


async def conversation_verdict(workspace: Workspace, state: InstructState) -> Verdict:
    """What the gate says of a conversation that is written already, turn by turn."""
    first = Verdict()
    for number, turn in enumerate(state["conversation"]):
        at: InstructState = {
            **state,
            "conversation": state["conversation"][:number],
            "question": turn["question"],
            "answer": turn["answer"],
            "cut": False,
        }
        verdict = await asyncio.to_thread(question_problem, workspace, at, turn["question"])
        if verdict.passed:
            verdict = await asyncio.to_thread(answer_problem, workspace, at)
        if not verdict.passed:
            return verdict
        first = verdict if number == 0 else first
    novelty = await workspace.gate.novelty(conversation_draft(state))
    return replace(novelty, checker=first.checker)


def checked(verdict: Verdict) -> dict[str, Any]:
    """The update that keeps what the checker said of an edited conversation."""
    return {"checker": verdict.checker.model_dump() if verdict.checker else None}


def question_draft(text: str, *, parent: str) -> Draft:
    """What the gate compares: the questions alone, for answers to one document share much."""
    return Draft(text, summary=digest_of(text), topic="", seed_set=(), parent=parent)


def instruct_record(
    workspace: Workspace, state: InstructState, *, reason: str | None = None
) -> Record:
    """The record of the conversation, or of what there is of it."""
    turns = list(state.get("conversation", []))
    if reason is not None and state.get("question") and len(turns) < 1:
        turns.append({"question": state["question"], "answer": state.get("answer", "")})
    messages: list[Message] = []
    for turn in turns:
        messages.append(Message(role="user", content=turn["question"]))
        if turn["answer"]:
            messages.append(Message(role="assistant", content=turn["answer"]))
    checker, document = state.get("checker"), state["seed"]["id"]
    rejected = [RejectedAnswer(**each) for each in state.get("rejected_answers", [])]
    return Record(
        id=state["record_id"],
        kind="instruction",
        messages=messages,
        domain=workspace.config.domain.name,
        topic=state.get("topic", ""),
        persona=state.get("persona", ""),
        genre=state.get("genre", ""),
        summary=digest_of(asked_in(state)),
        seed_ids=[document],
        parent_ids=[document],
        source=workspace.config.graph,
        experts=list(state.get("experts", [])),
        revisions=max(0, state.get("tries", 0) - (reason is not None)),
        refusals=list(state.get("refusals", [])),
        rejected_answers=rejected or None,
        checker=CheckerResult.model_validate(checker) if checker else None,
        review=review_of(state, reason),
        generation=generation(workspace, state["record_id"]),
        reason=reason,
    )
