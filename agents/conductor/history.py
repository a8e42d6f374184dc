"""A conductor's conversation within the tokens that it may have."""

from collections.abc import Sequence

from langchain_core.messages import BaseMessage, ToolMessage


def bounded(messages: Sequence[BaseMessage], most_tokens: int) -> list[BaseMessage]:
    """The conversation within `most_tokens` (estimated at four bytes a token).

    The oldest tool results lose all but their first line, which names what they made; system
    message, brief and the conductor's own calls stay whole.
    """
    kept = list(messages)
    for index, message in enumerate(kept):
        if estimated_tokens(kept) <= most_tokens:
            break
        if isinstance(message, ToolMessage):
            first = str(message.content).partition("\n")[0]
            kept[index] = message.model_copy(update={"content": first})
    return kept


def estimated_tokens(messages: Sequence[BaseMessage]) -> int:
    """Tokens of a conversation at four bytes each, tool calls and message frames included."""
    size = 0
    for message in messages:
        parts = (str(message.content), str(getattr(message, "tool_calls", "") or ""))
        size += 16 + sum(len(part.encode(errors="replace")) for part in parts)
    return size // 4
