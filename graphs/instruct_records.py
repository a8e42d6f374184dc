"""Drafts and records of instructions."""

from metasynth.records import CheckerResult, Message, Record, RejectedAnswer
from metasynth.text import excerpt

from .drafts import generation
from .gate import Draft
from .instruct_state import InstructState
from .workspace import Workspace

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
        generation=generation(workspace, state["record_id"]),
        reason=reason,
    )
