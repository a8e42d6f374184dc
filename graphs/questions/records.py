"""A question on its way through answer and gate, and the record that is made of it."""

import asyncio
import operator
from typing import Annotated, Any, Literal, TypedDict

from metasynth.graphs.admission.gate import Draft, Verdict
from metasynth.graphs.approval import (
    Answer,
    Approval,
    EditError,
    ask_in_worker,
    review_of,
    text_of,
    turns_of,
)
from metasynth.graphs.best_of_batch import stamped
from metasynth.graphs.document.artifacts import generation
from metasynth.graphs.run.nodes import Command
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import CheckerResult, Message, Novelty, Record
from metasynth.text.words import excerpt

from .workspace import queue_of

_SUMMARY_WORDS = 40  # there is no summarizer: the question's beginning stands for the record


class CandidateState(TypedDict, total=False):
    """The question in work."""

    worker: int
    chain: str
    place: int
    question: str
    answer: str
    cut: bool
    agent: str
    novelty: dict[str, Any] | None
    checker: dict[str, Any] | None
    code: str
    reason: str
    review: dict[str, str]
    edit: dict[str, Any]
    outcome: str
    finished: Annotated[list[str], operator.add]


def judged(verdict: Verdict) -> CandidateState:
    """The update that keeps what the gate said."""
    return CandidateState(
        novelty=verdict.novelty.model_dump() if verdict.novelty else None,
        checker=verdict.checker.model_dump() if verdict.checker else None,
        code=verdict.code or "",
        reason=verdict.reason,
    )


def id_of(workspace: Workspace, state: CandidateState) -> str:
    """The record's id: its place among the candidates gives it."""
    return workspace.record_id(state["chain"], state["place"])


def draft_of_candidate(state: CandidateState) -> Draft:
    """What the gate is shown: question and answer together."""
    return Draft(
        text="\n\n".join(part for part in (state["question"], state["answer"]) if part),
        summary=excerpt(state["question"], _SUMMARY_WORDS),
        topic="",
        seed_set=(),
        cut=state["cut"],
    )


def _record(workspace: Workspace, state: CandidateState) -> Record:
    batch = queue_of(workspace).batch
    question = batch[state["place"]]
    record_id = id_of(workspace, state)
    made = generation(workspace, record_id)
    models = dict(batch.models)
    asked = question.request is not None
    if state["agent"]:
        models["questions and answers" if asked else "answers"] = workspace.voices.experts.name
    novelty, checker = state["novelty"], state["checker"]
    record = Record(
        id=record_id,
        text=state["question"],
        domain=workspace.config.domain.name,
        summary=excerpt(state["question"], _SUMMARY_WORDS),
        parent_ids=[question.context_id] if question.context_id else [],
        experts=[name for name in ("" if asked else batch.source, state["agent"]) if name],
        source=batch.source,
        novelty=Novelty.model_validate(novelty) if novelty else None,
        checker=CheckerResult.model_validate(checker) if checker else None,
        review=review_of(state),
        generation=made.model_copy(update={"models": models}),
    )
    record = workspace.with_lineage(record)
    if not state["agent"]:
        return stamped(workspace, record)
    messages = [
        Message(role="user", content=state["question"]),
        Message(role="assistant", content=state["answer"]),
    ]
    update = {"kind": "instruction", "text": None, "messages": messages}
    return stamped(workspace, record.model_copy(update=update))


async def candidate_record(workspace: Workspace, state: CandidateState) -> Record:
    """The record as it would enter the corpus."""
    return await asyncio.to_thread(_record, workspace, state)


async def candidate_verdict(workspace: Workspace, state: CandidateState) -> Verdict:
    """What the gate says; a copy of what the questions are tested with is no new question."""
    draft = draft_of_candidate(state)
    verdict = await workspace.gate.judge(draft, needs_summary=False)
    if verdict.passed:
        shared = await asyncio.to_thread(queue_of(workspace).batch.contaminated, draft.text)
        if shared:
            return Verdict("contaminated", shared, verdict.novelty, verdict.checker)
    return verdict


def given_up(_state: CandidateState, verdict: Verdict) -> Command[Literal["reject"]]:
    """Where the graph goes when the record is lost."""
    update = CandidateState(code=str(verdict.code), reason=verdict.reason)
    return Command(update=update, goto="reject")


def edited(state: CandidateState, answer: Answer) -> dict[str, Any]:
    """The update that takes a person's version."""
    if not state["agent"]:
        return {"question": text_of(answer), "cut": False}
    turn, *more = turns_of(answer)
    if more:
        raise EditError("the draft is one question with its answer")
    return {**turn, "cut": False}


APPROVAL: Approval[Literal["reject"]] = Approval(
    record=candidate_record,
    draft=draft_of_candidate,
    edited=edited,
    judge=candidate_verdict,
    judged=judged,
    reject=given_up,
    ask=ask_in_worker,
)
