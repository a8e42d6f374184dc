"""The rows of a round: what each is asked for with, and its record's way back to that."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from metasynth.records.record import Record, StudentScore
from metasynth.records.seeds import Seed
from metasynth.student.rounds_folder import place_of

from .pool import PoolRows, problem_of


class Selected(NamedTuple):
    """What a row is asked for with.

    Attributes:
        place: Of the row in its round, from 1 up.
        seed_ids: Rows of the pool; two where SoftSRV mixes their contexts.
        score: Of the seed when it was chosen; None where nothing was scored.
        cluster: Of the first seed's context; -1 without SoftSRV.
    """

    place: int
    seed_ids: tuple[str, ...]
    score: float | None
    cluster: int = -1

    @classmethod
    def of(cls, line: dict[str, Any]) -> "Selected":
        """From a line of `selected.jsonl`."""
        return cls(line["place"], tuple(line["seed_ids"]), line["score"], line["cluster"])


def with_seed(
    record: Record, selected: Sequence[Selected], *, number: int, criterion: str, sampled: bool
) -> Record:
    """The record with the seeds that it was asked for with, and their score.

    Args:
        selected: What the rows of the round in work were asked for with, by place.
        number: The round; a record of another is returned as it is.
        criterion: Of the score.
        sampled: Whether the seeds gave SoftSRV's contexts, and so are parents too.
    """
    place = place_of(record.id)
    if place is None or place[0] != number:
        return record
    row = selected[place[1] - 1]
    seeds = list(row.seed_ids)
    update: dict[str, Any] = {"seed_ids": seeds, "parent_ids": seeds if sampled else []}
    if row.score is not None:
        update["seed_score"] = StudentScore(
            criterion=criterion, score=round(row.score, 6), round=number
        )
    return record.model_copy(update=update)


def seed_of_chain(chain: str, pool: PoolRows, selected: Sequence[Selected]) -> Seed:
    """The seed that a conductor writes a row from, by the row's chain."""
    row = pool.by_id[selected[int(chain.partition("s")[2]) - 1].seed_ids[0]]
    text = f"{problem_of(row)}\n\n{row.answer}" if row.is_answered else problem_of(row)
    return Seed(id=row.id, text=text)
