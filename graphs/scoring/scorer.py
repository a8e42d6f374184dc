"""The student as it scores candidates: one forward pass for all that wait at a moment."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from metasynth.config.active import CandidatesConfig
from metasynth.config.student import SelectionConfig
from metasynth.records.record import Record

from .resources import Resources
from .students import Students

if TYPE_CHECKING:
    from metasynth.student.rows import StudentRow
    from metasynth.student.scoring.measures import Scored
    from metasynth.student.scoring.reward import RewardModel


class StudentScorer:
    """Scores records by the student in use.

    Args:
        settings: The section `active.candidates` of the run file.
        students: Of the run.
        resources: What the criterion needs besides.
        seed: Of everything that is drawn.
    """

    def __init__(
        self,
        settings: CandidatesConfig,
        students: Students,
        *,
        resources: Resources = Resources(),  # noqa: B008 - it cannot be changed
        seed: int,
    ) -> None:
        self._settings = settings
        self.students = students
        self._resources = resources
        self._seed = seed
        self._waiting: list[_Waiting] = []
        self._one_at_a_time = asyncio.Lock()

    @property
    def criterion(self) -> str:
        """What it scores by."""
        return self._settings.scoring.criterion

    @property
    def model(self) -> str:
        """The student's name."""
        return self.students.name

    @property
    def round(self) -> int:
        """The round in work, which the student's scores are of; 0 in a run without rounds."""
        return self.students.round

    @property
    def stage(self) -> str:
        """What it is doing now, for whoever watches; "" for nothing."""
        return self.students.progress.text

    async def prepare(self) -> None:
        """Load it now, so that one that cannot be loaded fails before anything is paid for."""
        async with self._one_at_a_time:
            await asyncio.to_thread(self.students.in_use)
            await self._reward_model()

    async def score(self, record: Record) -> "Scored":
        """Score a record, high for hard; those that wait at the same time are scored together.

        Raises:
            BudgetEndedError: A judge would have to be asked and may not be.
        """
        mine = _Waiting(row_of(record))
        self._waiting.append(mine)
        try:
            async with self._one_at_a_time:
                if mine.result is None:  # else it was scored together with the one before it
                    await self._score(list(self._waiting))
        finally:
            self._waiting.remove(mine)
        assert mine.result is not None
        return mine.result

    def best_first(self, scores: Mapping[str, float]) -> list[str]:
        """Ids by their scores, those first that are wanted most, in whatever order they come."""
        from metasynth.student.selection.selection import select

        ids = list(scores)
        wanted = SelectionConfig(strategy="top", direction=self._settings.direction)
        values = [scores[id_] for id_ in ids]
        return select(ids, len(ids), wanted, scores=values, rng_seed=self._seed)

    async def _score(self, waiting: "list[_Waiting]") -> None:
        from metasynth.student.scoring.scores import score_rows

        results = score_rows(
            await asyncio.to_thread(self.students.in_use),
            [one.row for one in waiting],
            self._settings.scoring,
            ask=self._resources.judge,
            checker=self._resources.checker,
            reward=await self._reward_model(),
            seed=self._seed,
        )
        async with aclosing(results):
            number = 0
            async for scored in results:
                waiting[number].result = scored
                number += 1

    async def _reward_model(self) -> "RewardModel | None":
        load = self._resources.reward
        return await asyncio.to_thread(load) if load is not None else None


class _Waiting:
    """A row that is to be scored, and what came of it."""

    def __init__(self, row: "StudentRow") -> None:
        self.row = row
        self.result: Scored | None = None


def row_of(record: Record) -> "StudentRow":
    """A record as the student reads it: a document is a text, an instruction a conversation."""
    from metasynth.student.rows import StudentRow

    if record.messages is not None:
        return StudentRow(record.id, messages=tuple(record.messages))
    return StudentRow(record.id, text=record.text or "")
