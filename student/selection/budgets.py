"""How many rows each cluster may give: in proportion to its score, or learnt over rounds.

Scores survive generation for sets of seeds, hardly for single ones (Kessler et al.,
arXiv 2512.00884, project page), so a budget is spent by cluster and freely inside.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .ranking import descending

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
BudgetRule = Literal["proportional", "ucb", "thompson"]


def cluster_weights(keys: Floats, labels: Integers, *, clusters: int) -> Floats:
    """The mean key of each cluster [C], counted from the pool's smallest where one is negative.

    A cluster without rows weighs nothing.
    """
    floor = min(float(keys.min(initial=0.0)), 0.0)
    sums = np.bincount(labels, weights=keys - floor, minlength=clusters)
    return sums / np.maximum(np.bincount(labels, minlength=clusters), 1)


def proportional_budgets(n: int, weights: Floats, capacities: Integers) -> Integers:
    """`n` shared out in proportion to `weights` [C], at most `capacities` [C] to each.

    Whole numbers by largest remainders, equal ones to the earlier cluster; what a full cluster
    cannot take goes to the others in proportion. Where no cluster with room has weight, they all
    weigh the same.

    Raises:
        ValueError: There is not room for `n`, or a weight is negative.
    """
    if n > capacities.sum():
        raise ValueError(f"{n} rows do not fit into clusters with room for {capacities.sum()}")
    if (weights < 0).any():
        raise ValueError("weights of clusters must not be negative")
    budgets = np.zeros(len(weights), dtype=np.intp)
    while (rest := n - int(budgets.sum())) > 0:
        has_room = budgets < capacities
        share = np.where(has_room, weights, 0.0)
        if not share.any():
            share = has_room.astype(np.float64)
        wanted = rest * (share / share.sum())
        whole = np.floor(wanted).astype(np.intp)
        for cluster in descending(np.where(has_room, wanted - whole, -1.0))[: rest - whole.sum()]:
            whole[cluster] += 1
        budgets = np.minimum(budgets + whole, capacities)
    return budgets


@dataclass(frozen=True, eq=False)
class ClusterScores:
    """What rounds so far showed of each cluster: the arms of a bandit.

    Observed are oriented scores (high is wanted) of what was generated from a cluster's members.

    Attributes:
        counts: Observations [C].
        means: Their mean [C]; 0 where there are none.
        squares: Their summed squared distances from the mean [C].
    """

    counts: Integers
    means: Floats
    squares: Floats

    @classmethod
    def empty(cls, clusters: int) -> "ClusterScores":
        """Nothing observed yet."""
        return cls(np.zeros(clusters, dtype=np.intp), np.zeros(clusters), np.zeros(clusters))

    def observe(self, labels: Integers, keys: Floats) -> "ClusterScores":
        """With one more key of each cluster in `labels`; the order does not matter."""
        if not np.isfinite(keys).all():
            raise ValueError("an observed score is not a finite number")
        size = len(self.counts)
        more = np.bincount(labels, minlength=size)
        mean = np.bincount(labels, weights=keys, minlength=size) / np.maximum(more, 1)
        inside = np.bincount(labels, weights=(keys - mean[labels]) ** 2, minlength=size)
        counts = self.counts + more
        apart = mean - self.means  # the parallel update of Chan et al. 1983
        share = more / np.maximum(counts, 1)
        return replace(
            self,
            counts=counts,
            means=self.means + apart * share,
            squares=self.squares + inside + apart**2 * self.counts * share,
        )

    @property
    def spread(self) -> float:
        """The standard deviation inside clusters, pooled; 1 before it is known."""
        freedom = int(np.maximum(self.counts - 1, 0).sum())
        pooled = float(self.squares.sum()) / freedom if freedom else 0.0
        return float(np.sqrt(pooled)) if pooled > 0 else 1.0


def ucb_budgets(
    n: int, seen: ClusterScores, capacities: Integers, *, exploration: float = 1.0
) -> Integers:
    """`n` given one by one to the cluster with the highest upper confidence bound (UCB1).

    The bound is mean + exploration * spread * √(2 ln t / observations). What is given counts as
    observed at the mean, so that a batch spreads; clusters never seen come first, in their order.
    """
    given = np.zeros(len(capacities), dtype=np.intp)
    _require_room(n, capacities)
    for _ in range(n):
        counts = seen.counts + given
        width = np.sqrt(2 * np.log(max(int(counts.sum()), 1)) / np.maximum(counts, 1))
        bound = seen.means + exploration * seen.spread * width
        bound[counts == 0] = np.inf
        bound[given >= capacities] = -np.inf
        given[int(bound.argmax())] += 1
    return given


def thompson_budgets(
    n: int, seen: ClusterScores, capacities: Integers, *, rng: np.random.Generator
) -> Integers:
    """`n` given one by one to the cluster whose mean, drawn from its posterior, is highest.

    The posterior is normal with the pooled spread and a prior worth one observation at the mean of
    all, so a cluster never seen is drawn widely.
    """
    given = np.zeros(len(capacities), dtype=np.intp)
    _require_room(n, capacities)
    total = seen.counts.sum()
    prior = float(seen.counts @ seen.means) / total if total else 0.0
    means = (seen.counts * seen.means + prior) / (seen.counts + 1)
    deviation = seen.spread / np.sqrt(seen.counts + 1)
    for _ in range(n):
        drawn = rng.normal(means, deviation)
        drawn[given >= capacities] = -np.inf
        given[int(drawn.argmax())] += 1
    return given


def round_budgets(
    rule: BudgetRule,
    n: int,
    keys: Floats,
    labels: Integers,
    *,
    seen: ClusterScores | None = None,
    rng: np.random.Generator,
) -> Integers:
    """The budgets [C] of a round, of clusters whose members may serve any number of times.

    Args:
        rule: In proportion to the mean key, or by a bandit.
        n: To be shared out.
        keys: Oriented scores of the members, [N].
        labels: Their clusters, from 0 up, [N].
        seen: What a bandit goes by; None: the members' own keys.
        rng: Thompson's draws.
    """
    sizes = np.bincount(labels)
    room = np.where(sizes > 0, n, 0)
    if rule == "proportional":
        return proportional_budgets(n, cluster_weights(keys, labels, clusters=len(sizes)), room)
    seen = seen or ClusterScores.empty(len(sizes)).observe(labels, keys)
    if len(seen.counts) != len(sizes):
        raise ValueError(f"{len(seen.counts)} clusters were seen, there are {len(sizes)}")
    if rule == "thompson":
        return thompson_budgets(n, seen, room, rng=rng)
    return ucb_budgets(n, seen, room)


def _require_room(n: int, capacities: Integers) -> None:
    if n > capacities.sum():
        raise ValueError(f"{n} rows do not fit into clusters with room for {capacities.sum()}")
