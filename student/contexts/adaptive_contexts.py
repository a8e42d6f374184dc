"""SoftSRV's context vectors z chosen by the student's scores: eight strategies, one function.

The join of active selection with SoftSRV, which the SoftSRV paper (arXiv 2410.16534) names as
promising; the strategies are ours:

    A0 static       round robin over the training contexts, as the paper
    A1 random       as many, drawn uniformly
    A2 select       q_i ∝ exp(rank of s_i / τ); the highest at τ = 0
    A3 group        a budget for each cluster by its scores, uniform inside
    A4 interpolate  z' = λ z_i + (1 - λ) z_j, both high and in one cluster, λ ~ Beta(α, α)
    A5 jitter       z' = z_i + ε, ε from the cluster's shrunk covariance
    A6 ascend       climbing g(z) ≈ s from z_i inside a trust region
    A7 diversify    k-means++ on z, weighted by s

Where ranks take the place of scores (all but A3), whatever grows with a score changes nothing.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metasynth.errors import RequestError
from metasynth.student.selection.budgets import BudgetRule, ClusterScores, round_budgets
from metasynth.student.selection.distances import squared_distances
from metasynth.student.selection.ranking import Direction, gumbel_order, oriented, rank_normalised
from metasynth.vectors.cluster import one_thread

from .moves import ascend, high_with_company, jitter, mates
from .score_model import ModelKind

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
ContextStrategy = Literal[
    "static", "random", "select", "group", "interpolate", "jitter", "ascend", "diversify"
]


@dataclass(frozen=True)
class ContextOptions:
    """What the strategies leave open; the defaults are ours.

    Attributes:
        temperature: τ of A2 and of the starts of A4 to A6, in ranks, which go from 0 to 1.
        children: How often each context is handed out, by all but A0.
        budget: How A3 parts the budget.
        high_share: The share of contexts, from the best down, that A4 holds to be high.
        beta: α of A4.
        jitter: Length of ε of A5, in standard deviations.
        model: g of A6.
        folds: Parts that A6 holds out in turn: g has not seen the context that it climbs from.
        radius: Of A6's trust region, in Mahalanobis distances inside clusters.
    """

    temperature: float = 0.25
    children: int = 1
    budget: BudgetRule = "proportional"
    high_share: float = 0.5
    beta: float = 1.0
    jitter: float = 0.5
    model: ModelKind = "ridge"
    folds: int = 5
    radius: float = 1.0


class NextContext(NamedTuple):
    """A context vector with its lineage.

    Attributes:
        z: [d_e].
        parents: Rows of the given contexts that it was made of; one, or two that were mixed.
        lam: λ, the first parent's share.
    """

    z: Points
    parents: tuple[int, ...]
    lam: float = 1.0


def next_contexts(
    strategy: ContextStrategy,
    scores: Floats,
    z: Points,
    clusters: Integers,
    n: int,
    rng: random.Random,
    *,
    direction: Direction = "high",
    options: ContextOptions | None = None,
    start: int = 0,
    seen: ClusterScores | None = None,
) -> list[NextContext]:
    """`n` context vectors to sample from next, in the order of their use.

    A0 shuffles the rows with `rng` and cycles over them from `start` on: with
    `generator(seed, "contexts")` these are the contexts of the sampler's samples number `start` to
    `start + n - 1`, to the bit. The others choose the same vectors in whatever order the rows come.

    Args:
        strategy: A0 to A7 by name.
        scores: Of the training contexts, [N]; by the student of this round.
        z: The training contexts, [N, d_e].
        clusters: The cluster of each, from 0 up, [N].
        n: How many.
        rng: All draws come from it.
        direction: Which scores are wanted.
        options: What the strategy leaves open.
        start: How many A0 has handed out before.
        seen: For A3 with a bandit: oriented scores of the children of earlier rounds; None lets
            it begin with the scores of the contexts themselves.

    Raises:
        RequestError: There are no contexts, a score is missing, or A4 finds no two to mix.
        ValueError: `scores`, `z` and `clusters` are not of one length.
    """
    _require_sound(scores, z, clusters, n)
    options = options or ContextOptions()
    if strategy == "static":
        order = list(range(len(z)))
        rng.shuffle(order)
        turn = (order[number % len(order)] for number in range(start, start + n))
        return [NextContext(z[row], (row,)) for row in turn]
    rows = _own_order(scores, z, clusters)
    ordered = np.asarray(scores, dtype=np.float64)[rows]
    given = _Given(
        keys=_keys(ordered, direction),
        wanted=oriented(ordered, direction),
        z=z[rows],
        clusters=np.asarray(clusters)[rows],
        n=-(-n // options.children),
        rng=np.random.default_rng(rng.getrandbits(128)),
        options=options,
        seen=seen,
    )
    with one_thread():  # more would change the last digits
        made = _STRATEGIES[strategy](given)
    own = [one._replace(parents=tuple(int(rows[row]) for row in one.parents)) for one in made]
    return [one for one in own for _ in range(options.children)][:n]


@dataclass(frozen=True, eq=False)
class _Given:
    """Contexts in an order of their own.

    Attributes:
        keys: Ranks in (0, 1), high is wanted.
        wanted: Scores, high is wanted.
    """

    keys: Floats
    wanted: Floats
    z: Points
    clusters: Integers
    n: int
    rng: np.random.Generator
    options: ContextOptions
    seen: ClusterScores | None


def _keys(scores: Floats, direction: Direction) -> Floats:
    """Ranks in (0, 1), turned so that high is wanted."""
    ranks = rank_normalised(scores)
    match direction:
        case "high":
            return ranks
        case "low":
            return 1 - ranks
        case "middle":
            return rank_normalised(-np.abs(ranks - 0.5).round(12))


def _random(given: _Given) -> list[NextContext]:
    return _plain(given, _draw(np.zeros(len(given.z)), given.n, given, temperature=1.0))


def _select(given: _Given) -> list[NextContext]:
    return _plain(given, _draw(given.keys, given.n, given))


def _group(given: _Given) -> list[NextContext]:
    labels = given.clusters.astype(np.intp)
    rule = given.options.budget
    budgets = round_budgets(rule, given.n, given.wanted, labels, seen=given.seen, rng=given.rng)
    drawn: list[int] = []
    for cluster, budget in enumerate(budgets.tolist()):
        members = np.flatnonzero(labels == cluster)
        inside = _draw(np.zeros(len(members)), budget, given, temperature=1.0)
        drawn += members[inside].tolist()
    return _plain(given, drawn)


def _interpolate(given: _Given) -> list[NextContext]:
    firsts = high_with_company(given.keys, given.clusters, share=given.options.high_share)
    starts = firsts[_draw(given.keys[firsts], given.n, given)]
    seconds = mates(firsts, given.clusters, starts, rng=given.rng)
    lams = given.rng.beta(given.options.beta, given.options.beta, size=len(starts))
    share = lams[:, None]
    z = share * given.z[starts] + (1 - share) * given.z[seconds]
    lineage = zip(starts.tolist(), seconds.tolist(), lams.tolist(), strict=True)
    return [
        NextContext(one.astype(given.z.dtype), (first, second), lam)
        for one, (first, second, lam) in zip(z, lineage, strict=True)
    ]


def _jitter(given: _Given) -> list[NextContext]:
    starts = _draw(given.keys, given.n, given)
    by = jitter(given.z.astype(np.float64), given.clusters, starts, rng=given.rng)
    return _moved(given, starts, given.options.jitter * by)


def _ascend(given: _Given) -> list[NextContext]:
    starts = _draw(given.keys, given.n, given)
    by = ascend(
        given.z.astype(np.float64),
        given.keys,
        given.clusters,
        starts,
        kind=given.options.model,
        parts=given.options.folds,
        radius=given.options.radius,
        rng=given.rng,
    )
    return _moved(given, starts, by)


def _diversify(given: _Given) -> list[NextContext]:
    z = given.z.astype(np.float64)
    drawn: list[int] = []
    nearest = np.full(len(z), np.inf)
    while len(drawn) < given.n:
        weights = given.keys * nearest
        if np.isinf(nearest).all() or not weights.any():  # the first, or all points are taken
            row = int(given.keys.argmax())
            nearest = np.full(len(z), np.inf)
        else:
            row = int(given.rng.choice(len(z), p=weights / weights.sum()))
        drawn.append(row)
        np.minimum(nearest, squared_distances(z, z[[row]])[:, 0], out=nearest)
    return _plain(given, drawn)


_STRATEGIES: dict[ContextStrategy, Callable[[_Given], list[NextContext]]] = {
    "random": _random,
    "select": _select,
    "group": _group,
    "interpolate": _interpolate,
    "jitter": _jitter,
    "ascend": _ascend,
    "diversify": _diversify,
}


def _draw(keys: Floats, n: int, given: _Given, *, temperature: float | None = None) -> list[int]:
    """`n` rows by softmax of `keys`; none comes again before every other has come."""
    if temperature is None:
        temperature = given.options.temperature
    drawn: list[int] = []
    while len(drawn) < n:
        order = gumbel_order(keys, temperature=temperature, rng=given.rng)
        drawn += order[: n - len(drawn)].tolist()
    return drawn


def _plain(given: _Given, rows: Sequence[int]) -> list[NextContext]:
    return [NextContext(given.z[row], (row,)) for row in rows]


def _moved(given: _Given, rows: Sequence[int], by: Floats) -> list[NextContext]:
    z = (given.z[rows] + by).astype(given.z.dtype)
    return [NextContext(one, (row,)) for one, row in zip(z, rows, strict=True)]


def _own_order(scores: Floats, z: Points, clusters: Integers) -> NDArray[np.intp]:
    """An order of the rows that depends on what they are alone."""
    keys = [
        (one.tobytes(), int(cluster), float(score))
        for one, cluster, score in zip(z, clusters, scores, strict=True)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)


def _require_sound(scores: Floats, z: Points, clusters: Integers, n: int) -> None:
    if not len(scores) == len(z) == len(clusters):
        raise ValueError(f"{len(scores)} scores and {len(clusters)} clusters for {len(z)} contexts")
    if n < 0:
        raise ValueError("contexts are counted from 0 up")
    if n and not len(z):
        raise RequestError("contexts: there are none to choose from", code="no_contexts")
    bad = np.flatnonzero(~np.isfinite(np.asarray(scores, dtype=np.float64))).tolist()
    if bad:
        raise RequestError(
            f"contexts: {len(bad)} of {len(z)} have no score (the first is number {bad[0]})",
            hint="leave them out, or score them again",
            code="no_scores",
        )
