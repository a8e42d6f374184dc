"""The arms: how each chooses the seeds that the teacher is shown.

Whatever an arm chooses by is computed by the student of the round with the library's scores and
selections, at their defaults.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metasynth.config.student import Criterion, ScoringConfig, SelectionConfig
from metasynth.lm.load import LoadedLM
from metasynth.randomness import derive_seed, generator
from metasynth.student.rows import StudentRow
from metasynth.student.scoring.criterion import CRITERIA
from metasynth.student.scoring.scores import score_rows
from metasynth.student.selection.embeddings import embed_gradients, embed_rows
from metasynth.student.selection.selection import select

DECILES = 10
MAX_ANSWER = 12  # tokens; the longest right answer has 8 and its end


@dataclass(frozen=True)
class Arm:
    """What one arm chooses by.

    Attributes:
        selection: The strategy.
        criterion: The score that it needs, if any.
        schedule: `static` chooses everything before the first training.
        is_permuted: Whether the scores are dealt out anew among the seeds: a control.
        is_length_matched: Whether each tenth of the seeds by length gives as many: then no arm
            wins by choosing long ones.
    """

    selection: SelectionConfig
    criterion: Criterion | None = None
    schedule: Literal["static", "rounds"] = "rounds"
    is_permuted: bool = False
    is_length_matched: bool = False


_TOP, _RANDOM = SelectionConfig(strategy="top"), SelectionConfig(strategy="random")
_GROUPS = SelectionConfig(strategy="random", clusters=24)
"""Budgets by the mean score of a cluster of the student's vectors, random inside of it."""

ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "static": Arm(_RANDOM, schedule="static"),
        "random": Arm(_RANDOM),
        "loss_self": Arm(_TOP, "loss_self"),
        "permuted": Arm(_TOP, "loss_self", is_permuted=True),
        "loss_matched": Arm(_TOP, "loss_self", is_length_matched=True),
        "loss_gold": Arm(_TOP, "loss_gold"),
        "entropy": Arm(_TOP, "entropy"),
        "margin": Arm(_TOP, "margin"),
        "badge": Arm(SelectionConfig(strategy="badge")),
        "k_center": Arm(SelectionConfig(strategy="k_center")),
        "learnable": Arm(_TOP, "learnable"),
        "loss_groups": Arm(_GROUPS, "loss_self"),
        "learnable_groups": Arm(_GROUPS, "learnable"),
    }
)
CORE = ("static", "random", "loss_self", "permuted")


@dataclass
class Choice:
    """What an arm chose, and what that cost.

    Attributes:
        ids: The seeds.
        seconds: CPU time.
        tokens: Tokens that the student read or wrote.
        unscored: Seeds without a score, which cannot be chosen.
        scores: Of the seeds, where the arm goes by scores.
    """

    ids: list[str] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0
    unscored: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)

    def count(self, tokens: int) -> None:
        """Add to the tokens."""
        self.tokens += tokens


def choose(
    arm: Arm,
    student: LoadedLM,
    seeds: Sequence[StudentRow],
    taken: Sequence[StudentRow],
    n: int,
    *,
    seed: int,
) -> Choice:
    """The `n` seeds that an arm takes in one round.

    Args:
        arm: The arm.
        student: As it is before the round's training.
        seeds: The pool.
        taken: What it was trained on in earlier rounds, for strategies that keep away from it.
        n: How many.
        seed: Of every draw.
    """
    begin, choice = time.process_time(), Choice()
    scores = None
    if arm.criterion is not None:
        scores = scored(arm.criterion, student, seeds, choice, seed=seed)
        if arm.is_permuted:
            scores = permuted(scores, seed=seed)
        seeds = [row for row in seeds if row.id in scores]
        choice.scores = scores
        if arm.is_length_matched:
            choice.ids = length_matched(seeds, scores, n)
            choice.seconds = time.process_time() - begin
            return choice
    ids = [row.id for row in seeds]
    config = arm.selection
    gradients = embeddings = kept = None
    if config.strategy == "badge":
        _, gradients = embed_gradients(student, seeds, on_batch=choice.count)
    if config.strategy == "k_center" or config.clusters is not None:
        embeddings = _vectors(student, seeds, choice)
    if config.strategy == "k_center" and taken:
        kept = _vectors(student, taken, choice)
    choice.ids = select(
        ids,
        n,
        config,
        scores=None if scores is None else [scores[one] for one in ids],
        embeddings=embeddings,
        gradients=gradients,
        taken=kept,
        rng_seed=derive_seed(seed, "choice"),
    )
    choice.seconds = time.process_time() - begin
    return choice


def length_matched(seeds: Sequence[StudentRow], scores: Mapping[str, float], n: int) -> list[str]:
    """The highest scores of each tenth of the seeds by length, as many of each as can be."""
    ordered = sorted(seeds, key=lambda row: (len(row.prompt[0].content) + len(row.answer), row.id))
    tenths = [part.tolist() for part in np.array_split(np.arange(len(ordered)), DECILES)]
    found: list[str] = []
    for number, tenth in enumerate(tenths):
        wanted = n // DECILES + (number < n % DECILES)
        best = sorted(tenth, key=lambda place: (-scores[ordered[place].id], ordered[place].id))
        found += [ordered[place].id for place in best[:wanted]]
    return found


def permuted(scores: Mapping[str, float], *, seed: int) -> dict[str, float]:
    """The same scores dealt out to the same seeds at random, whatever order they come in."""
    ids = sorted(scores)
    values = [scores[one] for one in ids]
    generator(seed, "permuted").shuffle(values)
    return dict(zip(ids, values, strict=True))


def scored(
    criterion: Criterion,
    student: LoadedLM,
    seeds: Sequence[StudentRow],
    choice: Choice,
    *,
    seed: int,
) -> dict[str, float]:
    """The score of each seed that has one, by id; what it costs is added to the choice."""
    config = ScoringConfig(criterion=criterion, max_new_tokens=MAX_ANSWER)
    before = choice.tokens

    async def found() -> dict[str, float]:
        every = score_rows(student, seeds, config, seed=seed, on_batch=choice.count)
        return {one.row_id: one.score async for one in every if one.score is not None}

    scores = asyncio.run(found())
    if "own answer" in CRITERIA[criterion].needs:  # decoding reads and writes the same tokens
        choice.count(choice.tokens - before)
    choice.unscored = len(seeds) - len(scores)
    return scores


def _vectors(student: LoadedLM, rows: Sequence[StudentRow], choice: Choice) -> NDArray[np.float32]:
    return embed_rows(student, rows, over="prompt", on_batch=choice.count)[1]
