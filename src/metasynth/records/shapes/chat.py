"""Conversations as lists of messages."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasynth.records.conversation import conversation, dumped
from metasynth.records.shape import MESSAGES, Row, shape

if TYPE_CHECKING:
    from metasynth.records.record import Record


@shape(
    "a conversation; of a document, a request for it and the document",
    columns={"messages": MESSAGES},
    readers="TRL's SFTTrainer, chat templates",
)
def chat(record: "Record") -> Iterator[Row]:
    """A row a record."""
    yield {"messages": dumped(conversation(record))}
