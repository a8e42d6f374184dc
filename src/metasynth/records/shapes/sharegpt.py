"""Conversations as ShareGPT writes them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasynth.records.conversation import conversation
from metasynth.records.shape import Row, shape

if TYPE_CHECKING:
    from metasynth.records.record import Record

_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}


@shape(
    "a conversation with `from` (human, gpt) and `value`; of a document, as in `chat`",
    columns={"conversations": [{"from": "string", "value": "string"}]},
    readers="axolotl, LLaMA-Factory, FastChat",
)
def sharegpt(record: "Record") -> Iterator[Row]:
    """A row a record."""
    turns = [{"from": _SPEAKERS[m.role], "value": m.content} for m in conversation(record)]
    yield {"conversations": turns}
