"""A question on its way through answer and gate, and the record that is made of it."""

import asyncio
import operator
from dataclasses import replace
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.run.nodes import Command
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.tail.approval import EditError, ask_in_worker, text_of, turns_of
from metasynth.graphs.tail.ending import Ending, generation, given_up
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Message, Record
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
    verdict: dict[str, Any]
    refusals: list[str]
    reason: str
    review: dict[str, str]
    edit: dict[str, Any]
    outcome: str
    finished: Annotated[list[str], operator.add]


def id_of(workspace: Workspace, state: CandidateState) -> str:
    """The record's id: its place among the candidates gives it."""
    return workspace.record_id(state["chain"], state["place"])


class CandidateEnding(Ending[CandidateState, Literal["reject"], Literal["take"]]):
    """A refused question is rejected, and its worker takes the next."""

    done = "take"

    def draft(self, state: CandidateState) -> Draft:
        """Question and answer together."""
        return Draft(
            text="\n\n".join(part for part in (state["question"], state["answer"]) if part),
            summary=excerpt(state["question"], _SUMMARY_WORDS),
            topic="",
            seed_set=(),
            cut=state["cut"],
        )

    def record(self, workspace: Workspace, state: CandidateState, *, rejected: bool) -> Record:  # noqa: ARG002
        """The record: a text, or with an answer an instruction."""
        batch = queue_of(workspace).batch
        question = batch[state["place"]]
        record_id = id_of(workspace, state)
        made = generation(workspace, record_id)
        models = dict(batch.models)
        asked = question.request is not None
        if state["agent"]:
            models["questions and answers" if asked else "answers"] = workspace.voices.experts.name
        record = Record(
            id=record_id,
            text=state["question"],
            domain=workspace.config.domain.name,
            summary=excerpt(state["question"], _SUMMARY_WORDS),
            parent_ids=[question.context_id] if question.context_id else [],
            experts=[name for name in ("" if asked else batch.source, state["agent"]) if name],
            source=batch.source,
            generation=made.model_copy(update={"models": models}),
        )
        record = workspace.with_lineage(record)
        if not state["agent"]:
            return record
        messages = [
            Message(role="user", content=state["question"]),
            Message(role="assistant", content=state["answer"]),
        ]
        update = {"kind": "instruction", "text": None, "messages": messages}
        return record.model_copy(update=update)

    async def judge(self, workspace: Workspace, state: CandidateState) -> Verdict:
        """What the gate says; a copy of what the questions are tested with is no new question.

        Where there is no answer, the teacher has said why.
        """
        known = Verdict.load(state["verdict"])
        if not known.passed:
            return known
        draft = self.draft(state)
        verdict = await workspace.gate.judge(draft, needs_summary=False)
        if verdict.passed:
            shared = await asyncio.to_thread(queue_of(workspace).batch.contaminated, draft.text)
            if shared:
                return replace(verdict, code="contaminated", detail=shared)
        return verdict

    def refuse(
        self,
        workspace: Workspace,  # noqa: ARG002
        state: CandidateState,  # noqa: ARG002
        verdict: Verdict,
    ) -> Command[Literal["reject"]]:
        """Give the question up."""
        return given_up(verdict)

    def edited(self, state: CandidateState, decision: ReviewDecision) -> dict[str, Any]:
        """The person's version: of the question alone, or of question and answer."""
        if not state["agent"]:
            return {"question": text_of(decision), "cut": False}
        turn, *more = turns_of(decision)
        if more:
            raise EditError("the draft is one question with its answer")
        return {**turn, "cut": False}

    async def ask(self, workspace: Workspace, question: dict[str, Any]) -> ReviewDecision:
        """What a person decides; workers share the thread of their run."""
        return await ask_in_worker(workspace, question)

    async def ended(self, workspace: Workspace, *, accepted: bool) -> None:
        """Give the worker's place back."""
        await workspace.quota.finish(accepted=accepted)
