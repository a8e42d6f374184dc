"""The end of the graphs that write instructions: a conversation, its record, what may be wrong."""

import asyncio
from dataclasses import replace
from typing import Any, Literal

from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.run.nodes import END, Command
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.tail.approval import turns_of
from metasynth.graphs.tail.ending import Ending, generation
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Message, Record, RejectedAnswer
from metasynth.text.words import excerpt

from .answers import answer_problem, question_problem
from .outcomes import refused
from .state import InstructState

_HALF = 30  # words at either end that stand for a question: what is asked may be at both


def digest_of(question: str) -> str:
    """A question as it is compared: whole, or its beginning and its end."""
    tokens = question.split()
    if len(tokens) <= 2 * _HALF:
        return excerpt(question, 2 * _HALF)
    return f"{excerpt(question, _HALF)} {' '.join(tokens[-_HALF:])}"


def asked_in(state: InstructState) -> str:
    """All questions of the conversation."""
    asked = [turn["question"] for turn in state.get("conversation", [])]
    return "\n\n".join(asked or [state.get("question", "")])


def question_draft(text: str, *, parent: str) -> Draft:
    """What the gate compares: the questions alone, for answers to one document share much."""
    return Draft(text, summary=digest_of(text), topic="", seed_set=(), parent=parent)


class InstructEnding(Ending[InstructState, Literal["conductor", "reject"], Literal["__end__"]]):
    """A refused conversation goes back to the conductor, as long as it has tries."""

    done = END
    sends_back = True

    def draft(self, state: InstructState) -> Draft:
        """What the gate compares of a whole conversation: its questions."""
        return question_draft(asked_in(state), parent=state["seed"]["id"])

    def record(self, workspace: Workspace, state: InstructState, *, rejected: bool) -> Record:
        """The record of the conversation, or of what there is of it."""
        return instruct_record(workspace, state, rejected=rejected)

    async def judge(self, workspace: Workspace, state: InstructState) -> Verdict:
        """What the gate says of a conversation that is written already."""
        return await conversation_verdict(workspace, state)

    def refuse(
        self, workspace: Workspace, state: InstructState, verdict: Verdict
    ) -> Command[Literal["conductor", "reject"]]:
        """Tell the conductor why, or give the instruction up."""
        return refused(workspace, state, verdict)

    def edited(self, state: InstructState, decision: ReviewDecision) -> dict[str, Any]:  # noqa: ARG002
        """The person's version of the conversation."""
        return edited_conversation(decision)


def edited_conversation(decision: ReviewDecision) -> dict[str, Any]:
    """The update that takes a person's version of the conversation."""
    turns = turns_of(decision)
    return {"conversation": turns, "question": turns[-1]["question"], "answer": turns[-1]["answer"]}


async def conversation_verdict(workspace: Workspace, state: InstructState) -> Verdict:
    """What the gate says of a conversation, turn by turn; the checker sees the first."""
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
    draft = question_draft(asked_in(state), parent=state["seed"]["id"])
    return replace(await workspace.gate.novelty(draft), checker=first.checker)


def instruct_record(workspace: Workspace, state: InstructState, *, rejected: bool) -> Record:
    """The record of the conversation, or of what there is of it; blocks."""
    turns = list(state.get("conversation", []))
    if rejected and state.get("question") and len(turns) < 1:
        turns.append({"question": state["question"], "answer": state.get("answer", "")})
    messages: list[Message] = []
    for turn in turns:
        messages.append(Message(role="user", content=turn["question"]))
        if turn["answer"]:
            messages.append(Message(role="assistant", content=turn["answer"]))
    document = state["seed"]["id"]
    rejected_answers = [RejectedAnswer(**each) for each in state.get("rejected_answers", [])]
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
        revisions=max(0, state.get("tries", 0) - rejected),
        rejected_answers=rejected_answers or None,
        generation=generation(workspace, state["record_id"]),
    )
