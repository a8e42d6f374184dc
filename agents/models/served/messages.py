"""What a package of LangChain's is given of a conversation, and what is counted of its answers."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

_CALL_BLOCKS = frozenset({"tool_use", "tool_call", "function_call"})


def for_the_endpoint(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages without our notes for local models, and with the calls that they really have.

    An assistant turn goes back with everything that came with it. A call that stands in its content
    under an id that the conversation does not know (it was cut away, or has another id now) is
    left out there: the package writes the call from `tool_calls`, and two would need two results.
    """
    return [_plain(message) for message in messages]


def _plain(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, AIMessage):
        if not message.additional_kwargs:
            return message
        return message.model_copy(update={"additional_kwargs": {}})
    if not isinstance(message.content, list):
        return message
    known = {call["id"] for call in message.tool_calls}
    content = [
        block
        for block in message.content
        if isinstance(block, str)
        or block.get("type") not in _CALL_BLOCKS
        or block.get("id", block.get("call_id")) in known
    ]
    return message.model_copy(update={"content": content})


def total_tokens(message: BaseMessage) -> int | None:
    """What the endpoint counted; None where it did not, or where that cannot be."""
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    total = usage["total_tokens"] if usage else None
    return total if isinstance(total, int) and total > 0 else None
