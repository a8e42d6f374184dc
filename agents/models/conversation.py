"""The same conversation in other roles and another order, for models that take fewer of them.

Messages are dicts with `role` and `content`, as chat templates and endpoints read them.
"""

import json
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]


def without_system(messages: Sequence[Message]) -> list[Message]:
    """The words of all system messages before those of the first user message."""
    texts = [str(item["content"]) for item in messages if item["role"] == "system"]
    rest = [item for item in messages if item["role"] != "system"]
    return before_user(rest, "\n\n".join(texts)) if texts else rest


def before_user(messages: Sequence[Message], text: str) -> list[Message]:
    """The messages with `text` at the head of the first user message, made where there is none."""
    for place, message in enumerate(messages):
        if message["role"] == "user":
            joined = {**message, "content": f"{text}\n\n{message['content']}"}
            return [*messages[:place], joined, *messages[place + 1 :]]
    return [{"role": "user", "content": text}, *messages]


def alternating(messages: Sequence[Message]) -> list[Message]:
    """No two messages in a row from the same side; results of tools stay apart."""
    merged: list[Message] = []
    for message in messages:
        before = merged[-1] if merged else {}
        contents = [before.get("content"), message["content"]]
        texts = [content for content in contents if content]
        same = before.get("role") == message["role"] != "tool"
        if same and all(isinstance(text, str) for text in texts):
            both = "\n\n".join(texts)
            merged[-1] = {**before, **message, "content": both}
        else:
            merged.append(message)
    return merged


def in_words(message: Message) -> Message:
    """Calls and results as text, for models that have no place for them."""
    if message["role"] == "tool":
        name = message.get("name", "the tool")
        return {"role": "user", "content": f"Result of {name}: {message['content']}"}
    if "tool_calls" not in message:
        return message
    calls = [f"<tool_call>{_call_text(call)}</tool_call>" for call in message["tool_calls"]]
    return {"role": "assistant", "content": "\n".join([message["content"] or "", *calls]).strip()}


def _call_text(call: Message) -> str:
    arguments: Any = call["function"]["arguments"]
    if isinstance(arguments, str):  # as endpoints have them
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return str(arguments)
    function = {**call["function"], "arguments": arguments}
    return json.dumps(function, ensure_ascii=False)
