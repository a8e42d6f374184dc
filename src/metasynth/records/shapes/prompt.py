"""Prompts with their completions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasynth.records.conversation import completion_of, prompt_of, turns
from metasynth.records.shape import MESSAGES, Row, shape

if TYPE_CHECKING:
    from metasynth.records.record import Record


@shape(
    "a row for each answer, with the conversation before it",
    columns={"prompt": MESSAGES, "completion": MESSAGES, "turn": "int"},
    plain_columns={"prompt": "string", "completion": "string", "turn": "int"},
    readers="TRL's SFTTrainer with the loss on the answer",
)
def prompt(record: "Record", plain: bool) -> Iterator[Row]:
    """A row an answer."""
    for number, (before, answer) in enumerate(turns(record), start=1):
        yield {
            "prompt": prompt_of(before, plain=plain),
            "completion": completion_of(answer, plain=plain),
            "turn": number,
        }
