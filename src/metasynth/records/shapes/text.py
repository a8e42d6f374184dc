"""Running text, as models read it in pre-training."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasynth.records.conversation import running_text
from metasynth.records.shape import Row, shape

if TYPE_CHECKING:
    from metasynth.records.record import Record


@shape(
    "a document, or a conversation in plain form (`Question:`, `Answer:`)",
    columns={"text": "string"},
    readers="TRL's SFTTrainer with the loss on all tokens, tokenizers",
)
def text(record: "Record") -> Iterator[Row]:
    """A row a record."""
    yield {"text": running_text(record)}
