"""A conductor's conversation within the tokens that it may have."""

from collections.abc import Sequence

from langchain_core.messages import BaseMessage, ToolMessage

from metasynth.agents.models.received import without_thoughts

_NOTES = ("instruction", "attachments")  # never leave for an endpoint


def bounded(messages: Sequence[BaseMessage], most_tokens: int) -> list[BaseMessage]:
    """The conversation within `most_tokens` (estimated at four bytes a token).

    The oldest tool results lose all but their first line, which names what they made, then the
    oldest turns what was thought before them; system message, brief and the conductor's own calls
    stay whole.
    """
    history = list(messages)
    for shorter in (_first_line, without_thoughts):
        for index, message in enumerate(history):
            if estimated_tokens(history) <= most_tokens:
                return history
            history[index] = shorter(message)
    return history


def _first_line(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, ToolMessage):
        return message
    return message.model_copy(update={"content": str(message.content).partition("\n")[0]})


def estimated_tokens(messages: Sequence[BaseMessage]) -> int:
    """Tokens of a conversation at four bytes each, tool calls, thoughts and frames included."""
    size = 0
    for message in messages:
        received = {
            name: value for name, value in message.additional_kwargs.items() if name not in _NOTES
        }
        parts = (
            str(message.content),
            str(getattr(message, "tool_calls", "") or ""),
            str(received or ""),
        )
        size += 16 + sum(len(part.encode(errors="replace")) for part in parts)
    return size // 4
