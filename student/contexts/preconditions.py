"""Four gates, what adaptive contexts need to be worth their cost: is z used, does it tell s?

1. context     NLL(shuffled z) - NLL(true z) > 0: the soft prompt uses its context
2. prediction  z tells the student's score, out of fold
3. steering    children's scores rise with their parents', cluster by cluster
4. manifold    new z lie as near to training z as these to each other, and give no more junk

The first three must be shown: their interval lies above 0. The fourth must not be refuted: its
intervals reach what is allowed. An arm that fails one is labelled so wherever it is reported.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.randomness import derive_seed
from metasynth.student.fidelity import Pair, score_fidelity
from metasynth.student.intervals import Integers, Interval, bootstrap, difference, share, spearman
from metasynth.student.selection.distances import squared_distances
from metasynth.student.selection.ranking import rank_normalised

from .score_model import ModelKind, out_of_fold

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]

_REFERENCE = 2000  # training contexts whose nearest neighbours are looked for, at most
_BLOCK = 512


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes:
        name: `context`, `prediction`, `steering` or `manifold`.
        value: What was measured, with its interval.
        count: Of how many texts, contexts or clusters.
        passed: Whether the gate is open.
        detail: What the value is, in words.
    """

    name: str
    value: Interval
    count: int
    passed: bool
    detail: str

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        return f"{self.name:<10}  {verdict}  {self.value}  n={self.count}  {self.detail}"


@dataclass(frozen=True)
class GateReport:
    """The gates of one arm."""

    arm: str
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """Whether all gates are open."""
        return all(gate.passed for gate in self.gates)

    @property
    def label(self) -> str:
        """The arm's name, with the gates that it failed."""
        failed = ", ".join(gate.name for gate in self.gates if not gate.passed)
        return f"{self.arm} (gate failed: {failed})" if failed else self.arm

    def __str__(self) -> str:
        return "\n".join([self.label, *(f"  {gate}" for gate in self.gates)])


def context_gate(true_nll: Floats, shuffled_nll: Floats, *, seed: int) -> Gate:
    """Gate 1: of the same texts [N], in nats a token, with their own z and with another's."""
    if len(true_nll) != len(shuffled_nll) or not len(true_nll):
        raise ValueError("the same texts are needed with their own z and with another's")
    gap = np.asarray(shuffled_nll, dtype=np.float64) - true_nll
    seed = derive_seed(seed, "gates", "context")
    value = bootstrap(lambda rows: float(gap[rows].mean()), len(gap), seed=seed)
    detail = "nats a token that a shuffled z costs"
    return Gate("context", value, len(gap), value.low > 0, detail)


def prediction_gate(
    z: Points, scores: Floats, *, kind: ModelKind = "ridge", folds: int = 5, seed: int
) -> Gate:
    """Gate 2: of contexts [N, d] and the scores [N] of their rows."""
    seed = derive_seed(seed, "gates", "prediction")
    ranks = rank_normalised(np.asarray(scores, dtype=np.float64))
    rng = np.random.default_rng(seed)
    predicted = out_of_fold(np.asarray(z, dtype=np.float64), ranks, kind=kind, count=folds, rng=rng)

    def statistic(rows: Integers) -> float:
        return spearman(predicted[rows], ranks[rows])

    value = bootstrap(statistic, len(ranks), seed=seed, bounds=(-1.0, 1.0))
    detail = f"Spearman of the score and its {folds}-fold prediction from z"
    return Gate("prediction", value, len(ranks), value.low > 0, detail)


def steering_gate(pairs: Iterable[Pair], *, seed: int) -> Gate:
    """Gate 3: of parents and children whose `cell` is the parent's cluster."""
    found = score_fidelity(pairs, seed=derive_seed(seed, "gates", "steering"))
    detail = "Spearman of clusters' median parent and child scores"
    return Gate("steering", found.by_set, len(found.cells), found.by_set.low > 0, detail)


def manifold_gate(
    new_z: Points,
    z: Points,
    *,
    junk: tuple[int, int],
    static_junk: tuple[int, int],
    quantile: float = 0.95,
    seed: int,
) -> Gate:
    """Gate 4: of new contexts [M, d] against those of training [N, d].

    Args:
        new_z: What the strategy made.
        z: What the soft prompt was trained with.
        junk: Texts that were junk, and all texts, of this arm.
        static_junk: The same of A0.
        quantile: Of the distances of training contexts to their nearest neighbour: new ones within
            it count as near.
        seed: Draws the training contexts that are looked at, where there are over 2000.
    """
    if not (len(new_z) and junk[1] and static_junk[1]):
        raise ValueError("the manifold cannot be judged without new contexts and their texts")
    rng = np.random.default_rng(derive_seed(seed, "gates", "manifold"))
    some = np.sort(rng.choice(len(z), min(len(z), _REFERENCE), replace=False))
    limit = float(np.quantile(_nearest(z[some], z, own=some), quantile))
    distance = _nearest(new_z, z)
    # A distance equal to the limit but for rounding is within it.
    near = share(int((distance <= limit * (1 + 1e-9)).sum()), len(new_z))
    more = difference(share(*junk), share(*static_junk))
    detail = f"share of new z as near as {quantile:.0%} of training z; junk above A0: {more}"
    return Gate("manifold", near, len(new_z), near.high >= quantile and more.low <= 0, detail)


def _nearest(rows: Points, others: Points, *, own: NDArray[np.intp] | None = None) -> Floats:
    """The distance [N] of each row to the nearest of `others`, where `own` is the row itself."""
    found = np.empty(len(rows))
    centres = np.asarray(others, dtype=np.float64)
    for start in range(0, len(rows), _BLOCK):
        distance = squared_distances(rows[start : start + _BLOCK], centres)
        if own is not None:
            place = own[start : start + _BLOCK]
            distance[np.arange(len(place)), place] = np.inf
        found[start : start + _BLOCK] = np.sqrt(distance.min(1))
    return found
