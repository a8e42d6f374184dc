"""Conversations whose answers have the thinking that came before them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasynth.records.conversation import conversation
from metasynth.records.shape import Row, shape

if TYPE_CHECKING:
    from metasynth.records.record import Record


@shape(
    "a conversation as in `chat`, with what the model thought in `reasoning_content`",
    columns={"messages": [{"role": "string", "content": "string", "reasoning_content": "string"}]},
    takes="answers of models that were heard thinking",
    readers="chat templates of models that think: Qwen3, DeepSeek, gpt-oss",
)
def reasoning(record: "Record") -> Iterator[Row]:
    """A row for a record whose model was heard thinking."""
    if not record.reasoning:
        return
    thoughts = iter(record.reasoning)
    messages = []
    for message in conversation(record):
        row = message.model_dump()
        if message.role == "assistant" and (thought := next(thoughts, "")):
            row["reasoning_content"] = thought
        messages.append(row)
    yield {"messages": messages}
