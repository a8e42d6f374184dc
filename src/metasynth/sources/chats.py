"""Rows of other families in the form of `messages`, or `prompt` and `completion`."""

from collections.abc import Mapping
from typing import Any

_SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_call": "assistant",
}
_STANDARD = ("text", "messages", "prompt")

KNOWN_FIELDS = (
    *_STANDARD,
    "completion",
    *("conversations", "conversation", "system"),
    *("instruction", "input", "output", "response"),
)
"""The fields that are looked at where none is named."""


def in_standard_form(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of ShareGPT (`conversations`) or Alpaca (`instruction`, `input`, `output`) as a chat.

    Other rows come back as they are; so does what has none of that family's form.
    """
    if any(row.get(name) is not None for name in _STANDARD):
        return row
    for name in ("conversations", "conversation"):
        if isinstance(turns := row.get(name), list):
            return {**row, "messages": [*_system(row), *map(_message, turns)]}
    instruction = row.get("instruction")
    if isinstance(instruction, str):
        given = row.get("input")
        prompt = f"{instruction}\n\n{given}" if isinstance(given, str) and given.strip() else None
        answer = row["output"] if row.get("output") is not None else row.get("response")
        return {**row, "prompt": prompt or instruction, "completion": answer}
    return row


def _system(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    system = row.get("system")
    is_text = isinstance(system, str) and system.strip()
    return [{"role": "system", "content": system}] if is_text else []


def _message(turn: Any) -> Any:
    if not isinstance(turn, Mapping) or "from" not in turn:
        return turn
    speaker = turn["from"]
    role = _SPEAKERS.get(speaker.lower(), speaker) if isinstance(speaker, str) else speaker
    return {"role": role, "content": turn.get("value")}
