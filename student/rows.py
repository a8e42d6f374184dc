"""Rows that a student reads: with `text`, `prompt` and `completion`, or `messages`.

A file is read a row at a time, and what is no row is told with its line and the reason instead of
being left out or read as something empty.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasynth.records.record import Message
from metasynth.sources.chats import in_standard_form
from metasynth.sources.lines import MAX_LINE_BYTES
from metasynth.sources.texts import file_rows
from metasynth.text.words import encodable

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


@dataclass(frozen=True, slots=True)
class StudentRow:
    """A text, or a conversation that asks for an answer and may hold one.

    Attributes:
        id: The row's own `id`; without one, "row-" and a hash of its content, so that it does not
            depend on where in the file the row stands.
        text: The text of a row without a conversation.
        messages: The conversation; a `prompt` is a user's message, a `completion` the assistant's.
        line: Where it stands in its file, from 1; 0: in none.
    """

    id: str
    text: str | None = None
    messages: tuple[Message, ...] = ()
    line: int = 0

    @property
    def prompt(self) -> tuple[Message, ...]:
        """What stands before the answer; nothing where the row is a text."""
        return self.messages[:-1] if self.is_answered else self.messages

    @property
    def answer(self) -> str:
        """The assistant's last turn, or the text; "" where the row holds no answer."""
        if self.text is not None:
            return self.text
        return self.messages[-1].content if self.is_answered else ""

    @property
    def is_answered(self) -> bool:
        """Whether the conversation ends with a turn of the assistant."""
        return bool(self.messages) and self.messages[-1].role == "assistant"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that is no row, and why."""

    line: int
    reason: str


class BadRowError(ValueError):
    """What is wrong with a row, in a few words."""


@dataclass(frozen=True)
class RowFile:
    """The rows of a file; it can be gone through more than once."""

    path: Path

    def __iter__(self) -> Iterator[StudentRow | BadRow]:
        return read_rows(self.path)


def read_rows(path: Path) -> Iterator[StudentRow | BadRow]:
    """The rows of a file of rows (JSONL, JSON, Parquet, CSV; gzipped or not), one at a time.

    Blank lines are skipped.

    Raises:
        RequestError: There is no such file, it cannot be read, or its compressed data are damaged.
    """
    for row in file_rows(path, most=MAX_LINE_BYTES):
        if row.problem:
            yield BadRow(row.number, row.problem)
            continue
        try:
            yield make_row(row.value, line=row.number)
        except BadRowError as error:
            yield BadRow(row.number, str(error))


def make_row(value: Any, *, line: int = 0) -> StudentRow:
    """A row from an object with `messages`, `prompt` (and `completion`), or `text`.

    Where several are there, the first of these counts. Rows of ShareGPT (`conversations`) and of
    Alpaca (`instruction`, `input`, `output`) are read as chats.

    Raises:
        BadRowError: It is no row.
    """
    if not isinstance(value, dict):
        raise BadRowError(f"no JSON object but {_kind(value)}")
    value = in_standard_form(value)
    if value.get("messages") is not None:
        messages = _messages(value["messages"], "messages")
        return StudentRow(_id(value, messages), messages=messages, line=line)
    if value.get("prompt") is not None:
        messages = _turns(value["prompt"], "prompt", "user")
        if value.get("completion") is not None:
            messages += _turns(value["completion"], "completion", "assistant")
        return StudentRow(_id(value, messages), messages=messages, line=line)
    if value.get("text") is not None:
        text = _text(value["text"], "'text'")
        return StudentRow(_id(value, text), text=text, line=line)
    fields = ", ".join(map(repr, list(value)[:8]))
    raise BadRowError(
        f"missing field: neither 'text' nor 'prompt' nor 'messages', but {fields or 'nothing'}"
    )


def _turns(value: Any, field: str, role: str) -> tuple[Message, ...]:
    """A prompt or a completion: a string, or messages already."""
    if isinstance(value, str):
        return (Message(role=role, content=encodable(value)),)  # type: ignore[arg-type]
    return _messages(value, field)


def _messages(value: Any, field: str) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise BadRowError(f"'{field}' holds no messages but {_kind(value)}")
    if not value:
        raise BadRowError(f"'{field}' is empty")
    return tuple(_message(one, f"'{field}', message {n}") for n, one in enumerate(value, start=1))


def _message(value: Any, where: str) -> Message:
    role = value.get("role") if isinstance(value, dict) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRowError(f"{where}: no role of {', '.join(_ROLES)}")
    return Message(role=_ROLES[role], content=_text(value.get("content"), where))  # type: ignore[arg-type]


def _text(value: Any, where: str) -> str:
    if isinstance(value, list):  # parts of a message, as chat endpoints take them
        parts = [str(part["text"]) for part in value if _is_text_part(part)]
        if parts and len(parts) == len(value):
            return encodable("".join(parts))
    if not isinstance(value, str):
        raise BadRowError(f"{where} holds no text but {_kind(value)}")
    return encodable(value)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _id(value: Mapping[str, Any], content: str | tuple[Message, ...]) -> str:
    found = value.get("id")
    if isinstance(found, str | int) and not isinstance(found, bool) and str(found):
        return encodable(str(found))
    whole = content if isinstance(content, str) else [(one.role, one.content) for one in content]
    digest = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    return f"row-{digest[:10]}"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "nothing" if value is None else names.get(type(value), "a number")
