"""A person's decision about a draft, and who asks for it."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from metasynth.records.record import Message, Text

Reviewer = Callable[[dict[str, Any]], Awaitable[Any]]
"""Puts a question about a draft to a person; see `metasynth.graphs.tail.approval` for it."""


class ReviewDecision(BaseModel):
    """What a person says of a draft; a word alone, or `reject: REASON`, is a decision too."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["accept", "edit", "reject", "send_back"] = Field(
        description="what becomes of the draft"
    )
    text: Text | None = Field(default=None, description="edit: the whole text as it shall be")
    messages: list[Message] | None = Field(
        default=None, description="edit, where the draft is a conversation: all its messages"
    )
    note: Text = Field(default="", description="why; the conductor reads it in what is sent back")

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        word, _, note = data.partition(":")
        return {"decision": word.strip().lower(), "note": note.strip()}

    @model_validator(mode="after")
    def _edit_is_whole(self) -> Self:
        if self.decision == "edit" and not (self.text or "").strip() and not self.messages:
            raise ValueError("an edit needs the whole `text`, or all `messages`")
        return self


async def ask_by_interrupt(question: dict[str, Any]) -> ReviewDecision:
    """Stop the thread until somebody answers: Studio, or whoever resumes it."""
    return interrupt(question, response_schema=ReviewDecision)
