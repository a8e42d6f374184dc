"""A conversation in OpenAI's form, which can be changed for an endpoint, and in LangChain's."""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

from metasynth.agents.models.received import for_package

Json = dict[str, Any]
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


class Conversation:
    """The messages as an endpoint is to get them, and in OpenAI's form.

    Our notes for local models are taken off.

    Args:
        messages: Of LangChain's.
        source: Names endpoint and model: what came with a turn goes back to these alone.

    Attributes:
        wire: In OpenAI's form, texts and calls alone.
    """

    def __init__(self, messages: Sequence[BaseMessage], *, source: str) -> None:
        self._messages = [_plain(message, source) for message in messages]
        self.wire = [_wire(message) for message in self._messages]

    def back(self, wire: Sequence[Json]) -> list[BaseMessage]:
        """The messages that `wire` tells of; those that are as they were keep what came with them.

        Args:
            wire: The attribute, or what was made of it.
        """
        if wire is self.wire:
            return self._messages
        own = {id(item): message for item, message in zip(self.wire, self._messages, strict=True)}
        return [own.get(id(item)) or _message(item) for item in wire]


def _plain(message: BaseMessage, source: str) -> BaseMessage:
    if isinstance(message, AIMessage):
        return for_package(message, source=source)
    if not message.additional_kwargs:
        return message
    return message.model_copy(update={"additional_kwargs": {}})


def _wire(message: BaseMessage) -> Json:
    wire: Json = {"role": _ROLES.get(message.type, message.type), "content": str(message.text)}
    if isinstance(message, AIMessage) and message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {
                    "name": call["name"],
                    "arguments": json.dumps(call["args"], ensure_ascii=False),
                },
            }
            for call in message.tool_calls
        ]
    if isinstance(message, ToolMessage):
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _message(wire: Json) -> BaseMessage:
    content = wire.get("content") or ""
    match wire["role"]:
        case "assistant":
            calls = [
                ToolCall(
                    type="tool_call",
                    name=call["function"]["name"],
                    args=json.loads(call["function"]["arguments"]),
                    id=call["id"],
                )
                for call in wire.get("tool_calls") or ()
            ]
            return AIMessage(content, tool_calls=calls)
        case "tool":
            return ToolMessage(content, tool_call_id=wire["tool_call_id"])
        case "system" | "developer":
            return SystemMessage(content)
    return HumanMessage(content)


def total_tokens(message: BaseMessage) -> int | None:
    """What the endpoint counted; None where it did not, or where that cannot be."""
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    total = usage["total_tokens"] if usage else None
    return total if isinstance(total, int) and total > 0 else None
