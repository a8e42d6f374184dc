"""Recorded conversations as JSON lines, so that training can use traces of the real graph."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .chat import Attachment, Message, ToolCall


def load_traces(path: str | Path) -> list[list[Message]]:
    """Conversations of a JSONL file, one a line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [[_message(entry) for entry in json.loads(line)] for line in lines if line]


def save_traces(path: str | Path, traces: Iterable[Sequence[Message]]) -> None:
    """Write conversations as JSON lines."""
    lines = [json.dumps([_entry(m) for m in trace], ensure_ascii=False) for trace in traces]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _message(entry: dict[str, Any]) -> Message:
    return Message(
        entry["role"],
        entry["content"],
        tuple(Attachment(*attachment) for attachment in entry["attachments"]),
        tuple(ToolCall(name, arguments) for name, arguments in entry["tool_calls"]),
    )


def _entry(message: Message) -> dict[str, Any]:
    return {
        "role": message.role,
        "content": message.content,
        "attachments": [list(attachment) for attachment in message.attachments],
        "tool_calls": [[call.name, dict(call.arguments)] for call in message.tool_calls],
    }
