"""What computes a criterion for some rows at a time, and what they have in common.

What a row lacks becomes the reason why it has no score: nothing is ever scored as zero for want of
something.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from metasynth.config.student import ScoringConfig
from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, BadRowError, StudentRow

from .checking import Checker
from .criterion import Criterion
from .judging import AskJudge
from .reward import RewardModel
from .token_statistics import mean_losses, token_statistics

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scored:
    """What a criterion says of a row.

    Attributes:
        row_id: "" where the line was no row at all.
        line: Where it stands in its file; 0: in none.
        score: High is hard; None: there is none, see `reason`.
        reason: Why there is no score.
        detail: The criterion's own value under its name, and what else is worth knowing.
        answer: The student's own answer, where one was decoded.
    """

    row_id: str
    line: int
    score: float | None
    reason: str = ""
    detail: dict[str, float] = field(default_factory=dict)
    answer: str | None = None


@dataclass(frozen=True)
class ScoringTask:
    """What is scored, how, and who may be asked for it.

    Attributes:
        lm: The student.
        renderer: Its renderer.
        config: The section of the run file.
        criterion: Of the name in `config`.
        seed: Of everything that is drawn.
        on_batch: Told after each forward pass how many tokens it read.
        judge: Here if the criterion needs one.
        checker: Likewise.
        reward: Likewise.
    """

    lm: LoadedLM
    renderer: Renderer
    config: ScoringConfig
    criterion: Criterion
    seed: int
    on_batch: Callable[[int], object]
    judge: AskJudge | None = None
    checker: Checker | None = None
    reward: RewardModel | None = None

    def scored(
        self,
        row: StudentRow,
        value: float,
        detail: Mapping[str, float] | None = None,
        *,
        answer: str | None = None,
    ) -> Scored:
        """A row with the criterion's value."""
        if not math.isfinite(value):
            return unscored(row, "the model computes no finite number for it", answer=answer)
        details = {self.config.criterion: value, **(detail or {})}
        return Scored(row.id, row.line, self.criterion.score(value), "", details, answer)

    def statistics(
        self, encoded: Sequence[Encoded], *, end_ids: frozenset[int] = frozenset()
    ) -> "list[tuple[Tensor, ...]]":
        """The criterion's statistics of each sequence; see `token_statistics`."""
        return token_statistics(
            self.lm,
            encoded,
            self.criterion.statistics,
            end_ids=end_ids,
            tokens_per_batch=self.config.tokens_per_batch,
            on_batch=self.on_batch,
        )

    def mean_losses(self, encoded: Sequence[Encoded]) -> list[float]:
        """The mean loss of each sequence's targets, all in one forward pass."""
        return mean_losses(
            self.lm,
            encoded,
            tokens_per_batch=self.config.tokens_per_batch,
            on_batch=self.on_batch,
        )


def unscored(
    row: StudentRow,
    reason: object,
    detail: Mapping[str, float] | None = None,
    *,
    answer: str | None = None,
) -> Scored:
    """A row that has no score."""
    return Scored(row.id, row.line, None, str(reason), dict(detail or {}), answer)


class Measure(Generic[T]):
    """Computes a criterion: each row is prepared alone, then all are measured together.

    All but `finish` runs in a thread and may block.
    """

    def __init__(self, task: ScoringTask) -> None:
        self.task = task

    def begin(self, rows: Iterable[StudentRow | BadRow]) -> None:
        """All rows, for criteria that need a `training`; before any of them is scored."""

    def prepare(self, row: StudentRow) -> T:
        """What is needed of a row.

        Raises:
            BadRowError: The row lacks it.
        """
        raise NotImplementedError

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[T]) -> list[Scored]:
        """What the criterion says of each row, in their order."""
        raise NotImplementedError

    async def finish(self, rows: Sequence[StudentRow], measured: list[Scored]) -> list[Scored]:
        """What others say of what was measured, asked on the event loop."""
        del rows
        return measured

    def close(self) -> None:
        """Release what is held, and give up what is being computed."""

    def scored(self, rows: Sequence[StudentRow]) -> list[Scored]:
        """What is measured of each row, in their order, whatever the rows lack."""
        results: dict[int, Scored] = {}
        prepared: dict[int, T] = {}
        for number, row in enumerate(rows):
            try:
                prepared[number] = self.prepare(row)
            except BadRowError as error:
                results[number] = unscored(row, error)
        if prepared:
            measured = self.measure([rows[number] for number in prepared], [*prepared.values()])
            results.update(zip(prepared, measured, strict=True))
        return [results[number] for number in range(len(rows))]
