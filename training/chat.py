"""Message lists in the short form that the embedded model's chat template gives them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

SPECIAL: tuple[str, ...] = ("<|pad|>", "<|end|>", "<|sys|>", "<|user|>", "<|ai|>", "<|tool|>")
SPECIAL += ("<|doc|>", "<tool_call>", "</tool_call>")

Role = Literal["system", "user", "assistant", "tool"]


class Attachment(NamedTuple):
    """A document that is sent along with an instruction."""

    kind: str
    text: str
    ref: str = ""


class ToolCall(NamedTuple):
    """One call of the conductor; arguments in the order of the tool's schema."""

    name: str
    arguments: Mapping[str, str | Sequence[str]]

    def json(self) -> str:
        """The call as the model writes it."""
        return json.dumps({"name": self.name, "arguments": self.arguments}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str = ""
    attachments: tuple[Attachment, ...] = ()
    tool_calls: tuple[ToolCall, ...] = field(default=())


class Piece(NamedTuple):
    """A stretch of the rendered text: special tokens or plain text, to be learnt or not."""

    text: str
    special: bool
    learn: bool


_MARKS = {"system": "<|sys|>", "tool": "<|tool|>"}


def _answer(message: Message) -> list[Piece]:
    """What the model wrote, all of it to be learnt but the mark before it."""
    pieces = [Piece("<|ai|>", special=True, learn=False)]
    if message.content:
        # the space makes the first word the same token as inside a text
        pieces.append(Piece(f" {message.content}", special=False, learn=True))
    for call in message.tool_calls:
        pieces.append(Piece("<tool_call>", special=True, learn=True))
        pieces.append(Piece(call.json(), special=False, learn=True))
        pieces.append(Piece("</tool_call>", special=True, learn=True))
    return [*pieces, Piece("<|end|>", special=True, learn=True)]


def render(messages: Sequence[Message], *, prompt_only: bool = False) -> list[Piece]:
    """The pieces that the chat template renders, one by one.

    Args:
        messages: the conversation.
        prompt_only: add the mark after which the model answers.
    """
    pieces: list[Piece] = []

    def put(mark: str, text: str) -> None:
        pieces.append(Piece(mark, special=True, learn=False))
        if text:
            pieces.append(Piece(text, special=False, learn=False))

    for message in messages:
        if message.role in _MARKS:
            put(_MARKS[message.role], message.content.split("\n", 1)[0])
        elif message.role == "user":
            put("<|user|>", message.content)
            for attachment in message.attachments:
                put("<|doc|>", f"{attachment.kind}: {attachment.text}")
        else:
            pieces += _answer(message)
    if prompt_only:
        put("<|ai|>", "")
    return pieces
