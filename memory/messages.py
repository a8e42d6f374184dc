"""Messages as the ledger keeps them: what was asked as a hash, what was answered as JSON."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

_RESPONSE_FIELDS = (
    "content",
    "additional_kwargs",
    "tool_calls",
    "invalid_tool_calls",
    "usage_metadata",
    "response_metadata",
    "id",
    "name",
)
_COUNTS = ("input_tokens", "output_tokens", "total_tokens")


def payload_hash(messages: Sequence[BaseMessage], **settings: Any) -> str:
    """A stable name for what a model is asked: the messages and the settings that shape the answer.

    Ids, usage and other metadata of messages do not count, so a replayed conversation has the
    hash of the original. Settings must be JSON (model name, temperature, tools, seed, ...).
    """
    asked = [_asked(message) for message in messages]
    text = json.dumps([asked, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _asked(message: BaseMessage) -> dict[str, Any]:
    kept = {"type": message.type, "content": message.content, "name": message.name}
    for name in ("tool_calls", "invalid_tool_calls", "tool_call_id", "status"):
        if part := getattr(message, name, None):
            kept[name] = part
    # The instruction and attachments that a local model reads instead of the content.
    for name in ("instruction", "attachments"):
        if name in message.additional_kwargs:
            kept[name] = message.additional_kwargs[name]
    return kept


def response_text(response: AIMessage) -> str:
    """A response as JSON, whatever message class of a provider it is."""
    kept = {name: getattr(response, name) for name in _RESPONSE_FIELDS}
    return json.dumps({name: part for name, part in kept.items() if part}, default=str)


def parse_response(text: str) -> AIMessage:
    """The plain message that `response_text` wrote.

    Counts that are none are left out: earlier versions wrote down what servers said.
    """
    parts = {"content": "", **json.loads(text)}
    usage = parts.get("usage_metadata")
    if usage and any(type(usage.get(name)) is not int for name in _COUNTS):
        parts["usage_metadata"] = None
    return AIMessage(**parts)
