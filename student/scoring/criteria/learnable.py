"""`learnable`: does a row become easier when the student learns from *other* rows?

Every row belongs to one of two halves, by a hash of its id. From rows of each half the student has
a short training of its own (low-rank, beside frozen weights), and each row is scored with what was
learnt from the half that it does not belong to:

    learnable(x, y) = exp(-ℓ'(y | x)) - exp(-ℓ(y | x)),    ℓ = -(1/T) Σ_j log p_j(y_j)

where ℓ is the loss now and ℓ' the loss after that training. High: others taught what it takes, so
there is something to learn; about 0: known already, or nothing in the others helps. A row whose
answer is noise has a high loss too, but its loss does not fall for good reasons. This is RHO-LOSS
(Mindermann et al. 2022) with a small hold-out model per half, on another scale: the growth of the
geometric mean of the tokens' probabilities instead of the fall of the loss. The scale is ours, and
it matters: an overconfident student learns from anything to be less sure, which lowers the *loss*
of noise by whole nats, while the *probability* of its answers stays what chance allows.

Cost: two forward passes a row, and for a file of any length 2 x 96 optimiser steps on 16 rows.

It fails, or says too little,
- where a row's half has nobody of its kind: what a few rows alone teach counts as unlearnable;
- for what a short training cannot teach at all: the hardest rows look like noise, not like a prize;
- where the halves share near-duplicates: noise is then learnt by heart from its double (so remove
  duplicates first);
- for a student that has learnt its training rows by heart: its unsure answers gain from any step
  (in a trial of ours with 16 % noise in the pool, the top fifth held 1 % noise for a student early
  in training, 5 % later, 23 % when overfitted; by loss_gold 47 %, 65 % and 64 %);
- for single rows: like all such scores it is noisy, and means more for a set than for a point.
"""

import heapq
import itertools
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from metasynth.errors import RequestError
from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM
from metasynth.randomness import derive_seed, generator
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, BadRowError, StudentRow
from metasynth.student.scoring.criterion import criterion
from metasynth.student.scoring.measures import Measure, Scored
from metasynth.student.scoring.token_statistics import mean_losses

if TYPE_CHECKING:
    from metasynth.student.scoring.low_rank import LowRankStep

TRAIN_ROWS = 512  # of each half
VALIDATION_ROWS = 128  # of the same half, by which the learning rate is chosen
LEAST_ROWS = 8
BATCH = 16
TRIAL_STEPS = 16  # with each learning rate
STEPS = 64  # with the best of them, its trial included
LEARNING_RATES = (3e-4, 1e-3, 3e-3)

logger = logging.getLogger(__name__)


@criterion(
    "exp(-NLL'(y | x)) - exp(-NLL(y | x)), NLL' the mean loss after a short training on rows of "
    "the other half",
    hard="high",
    needs=("answer", "training"),
    cost="two forward passes, and two short trainings for all rows together",
    source="ours, after RHO-LOSS (Mindermann et al. 2022)",
)
class Learnable(Measure[Encoded]):
    """The two short trainings are made once, of all rows."""

    def begin(self, rows: Iterable[StudentRow | BadRow]) -> None:
        """Train on a sample of each half."""
        task = self.task
        self._scale = LearnableScale(
            task.lm,
            rows,
            renderer=task.renderer,
            seed=task.seed,
            tokens_per_batch=task.config.tokens_per_batch,
            on_batch=task.on_batch,
        )

    def prepare(self, row: StudentRow) -> Encoded:
        """The row's tokens."""
        return self.task.renderer.encode(row)

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Encoded]) -> list[Scored]:
        """The growth of the answers' probabilities."""
        named = [(row.id, encoded) for row, encoded in zip(rows, prepared, strict=True)]
        return [
            self.task.scored(
                row,
                math.exp(-after) - math.exp(-before),
                {"loss": before, "loss_after": after},
            )
            for row, (before, after) in zip(rows, self._scale.losses(named), strict=True)
        ]


def half_of(row_id: str, seed: int) -> int:
    """The half, 0 or 1, that a row belongs to."""
    return derive_seed(seed, "half", row_id) & 1


@dataclass(order=True, frozen=True)
class _Drawn:
    rank: int
    row_id: str
    row: Encoded = field(compare=False)


class HalfSample:
    """An even sample of the rows of one half, the same whatever order they come in."""

    def __init__(self, half: int, seed: int) -> None:
        self._seed = derive_seed(seed, "learnable sample", half)
        self._heap: list[_Drawn] = []  # the largest rank (negated) first: what gives way next

    def offer(self, row_id: str, row: Encoded) -> None:
        """Take a row in, if it is among those drawn so far."""
        drawn = _Drawn(-derive_seed(self._seed, row_id), row_id, row)
        if len(self._heap) < TRAIN_ROWS + VALIDATION_ROWS:
            heapq.heappush(self._heap, drawn)
        else:
            heapq.heappushpop(self._heap, drawn)

    def split(self) -> tuple[list[Encoded], list[Encoded]]:
        """Rows to train on, and a fifth of them to choose the learning rate by."""
        rows = [drawn.row for drawn in sorted(self._heap, reverse=True)]
        held = len(rows) * VALIDATION_ROWS // (TRAIN_ROWS + VALIDATION_ROWS)
        return rows[held:], rows[:held]

    def __len__(self) -> int:
        return len(self._heap)


class LearnableScale:
    """The two short trainings, and the scores that follow from them.

    Args:
        lm: The student.
        rows: All rows; they are gone through once, and a sample of them is kept.
        renderer: The student's.
        seed: Of the halves, the samples and the trainings.
        tokens_per_batch: Tokens of one forward pass.
        on_batch: See `log_probabilities`.

    Raises:
        RequestError: There are too few rows that could be trained on.
    """

    def __init__(
        self,
        lm: LoadedLM,
        rows: Iterable[StudentRow | BadRow],
        *,
        renderer: Renderer,
        seed: int,
        tokens_per_batch: int,
        on_batch: Callable[[int], object] | None = None,
    ) -> None:
        self._lm = lm
        self._on_batch = on_batch
        self._seed = seed
        self._tokens_per_batch = tokens_per_batch
        samples = (HalfSample(0, seed), HalfSample(1, seed))
        for row in rows:
            if isinstance(row, StudentRow):
                try:
                    samples[half_of(row.id, seed)].offer(row.id, renderer.encode(row))
                except BadRowError:
                    continue  # named when its turn to be scored comes
        if min(map(len, samples)) < LEAST_ROWS:
            raise RequestError(
                f"learnable: {len(samples[0])} and {len(samples[1])} rows in the two halves are "
                f"too few, {LEAST_ROWS} are needed in each",
                hint="give more rows, or take loss_gold",
                code="not_enough_rows",
            )
        # a row is scored with what the other half taught
        self._steps = {1 - half: self._trained(half, samples[half]) for half in (0, 1)}

    def losses(self, rows: Sequence[tuple[str, Encoded]]) -> list[tuple[float, float]]:
        """The mean loss of each row (its id and its tokens), now and after the training."""
        before = self._mean_losses([row for _, row in rows])
        after = [0.0] * len(rows)
        for half, step in self._steps.items():
            numbers = [n for n, (id_, _) in enumerate(rows) if half_of(id_, self._seed) == half]
            with step.applied():
                losses = self._mean_losses([rows[number][1] for number in numbers])
            for number, loss in zip(numbers, losses, strict=True):
                after[number] = loss
        return list(zip(before, after, strict=True))

    def trained_without(self, row_id: str) -> AbstractContextManager[None]:
        """Inside, the student is as it would be scored for this row: taught by the other half."""
        return self._steps[half_of(row_id, self._seed)].applied()

    def _trained(self, half: int, sample: HalfSample) -> "LowRankStep":
        """The short training on a half, with the learning rate that is best for unseen rows."""
        train, held = sample.split()
        begun = [
            _Training(self._lm, train, rate, derive_seed(self._seed, "learnable", half))
            for rate in LEARNING_RATES
        ]
        before = self._mean_probability(held)
        trials = []
        for training in begun:
            self._run(training, TRIAL_STEPS)
            with training.step.applied():
                trials.append(self._mean_probability(held))
        best = begun[trials.index(max(trials))]
        self._run(best, STEPS - TRIAL_STEPS)
        with best.step.applied():
            after = self._mean_probability(held)
        if after <= before:
            logger.warning(
                "learnable: a short training on half %d made its unseen answers no likelier "
                "(mean probability %.3f, before %.3f): the scores say little",
                half,
                after,
                before,
            )
        return best.step

    def _run(self, training: "_Training", steps: int) -> None:
        for rows in itertools.islice(training.batches, steps):
            training.step.train_on(
                rows, training.optimizer, tokens_per_batch=self._tokens_per_batch
            )
            if self._on_batch is not None:
                self._on_batch(sum(len(row.ids) for row in rows))

    def _mean_probability(self, rows: Sequence[Encoded]) -> float:
        losses = self._mean_losses(rows)
        return fmean(0.0 if math.isnan(loss) else math.exp(-loss) for loss in losses)

    def _mean_losses(self, rows: Sequence[Encoded]) -> list[float]:
        return mean_losses(
            self._lm, rows, tokens_per_batch=self._tokens_per_batch, on_batch=self._on_batch
        )


class _Training:
    """A short training that can go on."""

    def __init__(self, lm: LoadedLM, rows: Sequence[Encoded], rate: float, seed: int) -> None:
        from metasynth.student.scoring.low_rank import LowRankStep

        self.step = LowRankStep(lm, seed=seed)
        self.optimizer = self.step.optimizer(rate)
        self.batches = _endless_batches(rows, seed)


def _endless_batches(rows: Sequence[Encoded], seed: int) -> Iterable[list[Encoded]]:
    """Batches of all rows in a shuffled order, again and again."""
    draw = generator(seed, "batches")
    order: list[Encoded] = []
    while True:
        while len(order) < BATCH:
            order += draw.sample(list(rows), len(rows))
        yield order[:BATCH]
        order = order[BATCH:]
