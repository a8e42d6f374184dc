"""Pairs of answers to one question, one preferred."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from metasynth.records.conversation import completion_of, prompt_of, turns
from metasynth.records.shape import MESSAGES, Row, shape

if TYPE_CHECKING:
    from metasynth.records.record import Record

_REASON = {"turn": "int", "by": "string", "reason": "string"}


@shape(
    "a row for each answer that gate, checker or critic did not keep, beside the one that was",
    columns={**dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES), **_REASON},
    plain_columns={**dict.fromkeys(("prompt", "chosen", "rejected"), "string"), **_REASON},
    takes="an answer that was rejected on the way to one that was kept",
    readers="TRL's DPOTrainer and RewardTrainer",
)
def preferences(record: "Record", plain: bool) -> Iterator[Row]:
    """A row a rejected answer; none where the conversation ended before its question."""
    answers = list(turns(record))
    for rejected in record.rejected_answers or ():
        if rejected.turn > len(answers):
            continue
        before, answer = answers[rejected.turn - 1]
        if rejected.content.strip() and rejected.content.strip() != answer.strip():
            yield {
                "prompt": prompt_of(before, plain=plain),
                "chosen": completion_of(answer, plain=plain),
                "rejected": completion_of(rejected.content, plain=plain),
                "turn": rejected.turn,
                "by": rejected.by,
                "reason": rejected.reason,
            }
