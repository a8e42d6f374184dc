"""Answers with nothing in them: why a model said nothing, as far as its message tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessage

_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "safety", "recitation", "prohibited_content", "refusal"})


@dataclass(frozen=True)
class Emptiness:
    """Why there is nothing in an answer.

    Attributes:
        kind: `empty`: another try may bring something; `thinking`: all that the model may write
            went into thinking; `filtered`: the endpoint took the answer away.
        words: What is known of it, for a person.
    """

    kind: Literal["empty", "thinking", "filtered"]
    words: str

    @property
    def is_final(self) -> bool:
        """Whether the same question would end in the same way."""
        return self.kind != "empty"


def emptiness_of(reply: AIMessage, *, limit: int | None) -> Emptiness | None:
    """Why an answer has neither text nor calls nor a refusal in words; None where it has any.

    Args:
        reply: As it was cleaned.
        limit: The most tokens that it may have, where that is known.
    """
    if str(reply.text).strip() or reply.tool_calls or reply.invalid_tool_calls:
        return None
    if reply.additional_kwargs.get("refusal"):
        return None
    reason = finish_reason_of(reply)
    if reason.lower() in _FILTERED:
        return Emptiness("filtered", f"finish_reason {reason}")
    thinking = thinking_tokens(reply)
    if reason.lower() in _CUT:
        return Emptiness("thinking", _cut_words(reply, reason, thinking, limit))
    parts = [f"finish_reason {reason or 'not given'}"]
    if thinking:
        parts.append(f"{thinking} tokens of thinking")
    if limit:
        parts.append(f"max_tokens {limit}")
    return Emptiness("empty", ", ".join(parts))


def finish_reason_of(reply: AIMessage) -> str:
    """Why the answer ended, in the endpoint's word; "" where it does not say."""
    metadata = reply.response_metadata
    names = ("finish_reason", "stop_reason", "done_reason", "stopReason")
    return next((str(metadata[name]) for name in names if metadata.get(name)), "")


def thinking_tokens(reply: AIMessage) -> int:
    """How many tokens went into thinking, by the endpoint's count; 0 where it has none."""
    usage: Mapping[str, Any] = reply.usage_metadata or {}
    counted = (usage.get("output_token_details") or {}).get("reasoning")
    return counted if isinstance(counted, int) and counted > 0 else 0


def _cut_words(reply: AIMessage, reason: str, thinking: int, limit: int | None) -> str:
    usage: Mapping[str, Any] = reply.usage_metadata or {}
    written = usage.get("output_tokens", 0)
    spent = f"{thinking or written} tokens went into thinking"
    bound = (
        f"max_tokens is {limit}" if limit else "max_tokens is not set, the limit is the server's"
    )
    return f"{spent} and {bound} (finish_reason {reason})"
