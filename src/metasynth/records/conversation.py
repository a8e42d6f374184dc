"""Records as conversations, and conversations as text."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .record import Message, Record

_MARKS = {"user": "Question: ", "assistant": "Answer: "}


class Turn(NamedTuple):
    """An answer, and the conversation before it."""

    before: "Sequence[Message]"
    answer: str


def plain_form(messages: "Sequence[Message]") -> str:
    """A conversation as plain text: `Question:` or `Answer:` before a turn, blank lines between.

    A system message has no such mark.
    """
    return "\n\n".join(f"{_MARKS.get(turn.role, '')}{turn.content}" for turn in messages)


def running_text(record: "Record") -> str:
    """What a model reads in pre-training: a document's text, an instruction in its plain form."""
    return record.text if record.text is not None else plain_form(record.messages or [])


def conversation(record: "Record") -> "list[Message]":
    """An instruction's messages; a document as the answer to a request for such a text."""
    from .record import Message

    if record.messages is not None:
        return list(record.messages)
    form = record.genre or "document"
    about = ", ".join(record.keywords) or record.topic
    ask = f"Write a {form} about: {about}." if about else f"Write a {form}."
    return [
        Message(role="user", content=ask),
        Message(role="assistant", content=record.text or ""),
    ]


def turns(record: "Record") -> Iterator[Turn]:
    """Every answer of the record's conversation, in order."""
    messages = conversation(record)
    for place, message in enumerate(messages):
        if message.role == "assistant":
            yield Turn(messages[:place], message.content)


def prompt_of(messages: "Sequence[Message]", *, plain: bool) -> Any:
    """What stands before an answer: messages, or text that ends where the answer begins."""
    return f"{plain_form(messages)}\n\nAnswer:" if plain else dumped(messages)


def completion_of(answer: str, *, plain: bool) -> Any:
    """An answer that follows such a prompt."""
    return f" {answer}" if plain else [{"role": "assistant", "content": answer}]


def dumped(messages: "Sequence[Message]") -> list[dict[str, str]]:
    """Messages as plain data."""
    return [message.model_dump() for message in messages]
