"""Message lists in the short form that the embedded model's chat template gives them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

SPECIAL = ("<|pad|>", "<|end|>", "<|sys|>", "<|user|>", "<|ai|>", "<|tool|>", "<|doc|>")
SPECIAL += ("<tool_call>", "</tool_call>")

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


def render(messages: Sequence[Message], *, prompt_only: bool = False) -> list[Piece]:
    """The pieces that the chat template renders, one by one.

    Args:
        messages: the conversation.
        prompt_only: add the mark after which the model answers.
    """
    pieces: list[Piece] = []

    def put(mark: str, text: str, *, learn: bool = False) -> None:
        pieces.append(Piece(mark, special=True, learn=learn))
        if text:
            pieces.append(Piece(text, special=False, learn=learn))

    for message in messages:
        if message.role == "system":
            put("<|sys|>", message.content.split("\n", 1)[0])
        elif message.role == "tool":
            put("<|tool|>", message.content.split("\n", 1)[0])
        elif message.role == "user":
            put("<|user|>", message.content)
            for attachment in message.attachments:
                put("<|doc|>", f"{attachment.kind}: {attachment.text}")
        else:
            put("<|ai|>", "")
            if message.content:
                pieces.append(Piece(message.content, special=False, learn=True))
            for call in message.tool_calls:
                put("<tool_call>", call.json(), learn=True)
                put("</tool_call>", "", learn=True)
            put("<|end|>", "", learn=True)
    if prompt_only:
        put("<|ai|>", "")
    return pieces
