"""How each criterion is computed for some rows, in as few forward passes as its formula asks for.

What a row lacks becomes the reason why it has no score: nothing is ever scored as zero for want of
something.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from metasynth.config.student import ScoringConfig
from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM
from metasynth.lm.logprobs import Reduce, log_probabilities
from metasynth.randomness import generator
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, BadRowError, StudentRow

from .criteria import CRITERIA
from .learnable import LearnableScale
from .token_statistics import LOSS, TOKEN_STATISTICS

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
class Bench:
    """What the measures of one scoring share.

    Attributes:
        lm: The student.
        renderer: Its renderer.
        config: What is scored and how.
        seed: Of everything that is drawn.
        on_batch: Told after each forward pass how many tokens it read.
    """

    lm: LoadedLM
    renderer: Renderer
    config: ScoringConfig
    seed: int
    on_batch: Callable[[int], object]

    def scored(
        self,
        row: StudentRow,
        value: float,
        detail: Mapping[str, float] | None = None,
        *,
        answer: str | None = None,
    ) -> Scored:
        """A row with the criterion's value."""
        name = self.config.criterion
        if not math.isfinite(value):
            return unscored(row, "the model computes no finite number for it", answer=answer)
        score = CRITERIA[name].score(value)
        return Scored(row.id, row.line, score, "", {name: value, **(detail or {})}, answer)

    def folded(
        self, encoded: Sequence[Encoded], *, adapt: Callable[[Reduce], Reduce] = lambda one: one
    ) -> list[dict[str, float]]:
        """The criterion's statistic of each sequence; the value itself under "value"."""
        statistic = TOKEN_STATISTICS[self.config.criterion]
        found = log_probabilities(
            self.lm,
            encoded,
            reduce=adapt(statistic.of_places),
            tokens_per_batch=self.config.tokens_per_batch,
            on_batch=self.on_batch,
        )
        return [
            {**statistic.fold(one["value"].double()), "tokens": float(len(one["value"]))}
            for one in found
        ]


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
    """Scores rows by one criterion: each is prepared alone, then all are measured together."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def prepare(self, row: StudentRow) -> T:
        """What is needed of a row.

        Raises:
            BadRowError: The row lacks it.
        """
        raise NotImplementedError

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[T]) -> list[Scored]:
        """What the criterion says of each row, in their order."""
        raise NotImplementedError

    def scored(self, rows: Sequence[StudentRow]) -> list[Scored]:
        """What the criterion says of each row, in their order, whatever the rows lack."""
        found: dict[int, Scored] = {}
        prepared: dict[int, T] = {}
        for number, row in enumerate(rows):
            try:
                prepared[number] = self.prepare(row)
            except BadRowError as error:
                found[number] = unscored(row, error)
        if prepared:
            measured = self.measure([rows[number] for number in prepared], [*prepared.values()])
            found.update(zip(prepared, measured, strict=True))
        return [found[number] for number in range(len(rows))]

    def close(self) -> None:
        """Let go of what is held, and give up what is being computed."""


class RandomMeasure(Measure[float]):
    """`random`: a number from the seed and the row's id."""

    def prepare(self, row: StudentRow) -> float:
        return generator(self.bench.seed, "random score", row.id).random()

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[float]) -> list[Scored]:
        return [self.bench.scored(row, one) for row, one in zip(rows, prepared, strict=True)]


class GivenAnswerMeasure(Measure[Encoded]):
    """`loss_gold`, `perplexity`, `el2n`: along the row's own answer, or along its text."""

    def prepare(self, row: StudentRow) -> Encoded:
        return self.bench.renderer.encode(row)

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Encoded]) -> list[Scored]:
        found = self.bench.folded(prepared)
        return [
            self.bench.scored(row, one.pop("value"), one)
            for row, one in zip(rows, found, strict=True)
        ]


class IfdMeasure(Measure[tuple[Encoded, Encoded]]):
    """`ifd`: the answer's loss given the prompt over its loss alone."""

    def prepare(self, row: StudentRow) -> tuple[Encoded, Encoded]:
        return self.bench.renderer.encode_with_and_without(row)

    def measure(
        self, rows: Sequence[StudentRow], prepared: Sequence[tuple[Encoded, Encoded]]
    ) -> list[Scored]:
        bench = self.bench
        found = log_probabilities(
            bench.lm,
            [encoded for pair in prepared for encoded in pair],
            reduce=LOSS.of_places,
            tokens_per_batch=bench.config.tokens_per_batch,
            on_batch=bench.on_batch,
        )
        losses = [float(one["value"].double().mean()) for one in found]
        return [
            self._ratio(row, *pair)
            for row, pair in zip(rows, zip(losses[::2], losses[1::2], strict=True), strict=True)
        ]

    def _ratio(self, row: StudentRow, given: float, alone: float) -> Scored:
        if alone == 0:
            return unscored(row, "the answer alone costs nothing: the ratio has no value")
        ratio = given / alone
        losses = {"loss": given, "loss_alone": alone}
        if ratio > 1:
            reason = f"the prompt does not help: ifd {ratio:.3f} is above 1"
            return unscored(row, reason, {"ifd": ratio, **losses})
        return self.bench.scored(row, ratio, losses)


class LearnableMeasure(Measure[Encoded]):
    """`learnable`: see the module of that name.

    Args:
        bench: What is shared.
        rows: All rows that will be scored, for the two short trainings.
    """

    def __init__(self, bench: Bench, rows: Iterable[StudentRow | BadRow]) -> None:
        super().__init__(bench)
        self._scale = LearnableScale(
            bench.lm,
            rows,
            renderer=bench.renderer,
            seed=bench.seed,
            tokens_per_batch=bench.config.tokens_per_batch,
            on_batch=bench.on_batch,
        )

    def prepare(self, row: StudentRow) -> Encoded:
        return self.bench.renderer.encode(row)

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Encoded]) -> list[Scored]:
        losses = self._scale.losses([(r.id, one) for r, one in zip(rows, prepared, strict=True)])
        return [
            self.bench.scored(
                row,
                math.exp(-after) - math.exp(-before),
                {"loss": before, "loss_after": after},
            )
            for row, (before, after) in zip(rows, losses, strict=True)
        ]
