"""Choosing rows that cover the others: k-center, k-means, facility location.

None of them holds all distances at once: distances are computed in float64 between a block of
rows and a few chosen ones, whatever the type of the embeddings.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.vectors.cluster import kmeans_labels

from .allowance import Allowance

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]  # [N, d], float32 or float64

_BLOCK = 8192  # rows that are widened to float64 at a time
_CENTRES = 64  # centres whose distances to all rows are held at a time
_SAME = 1e-12  # of the squared lengths: below, two rows are the same point


def k_center(
    points: Points,
    n: int,
    allowance: Allowance,
    *,
    taken: Points | None = None,
    front: int = 4096,
) -> list[int]:
    """`n` rows, each the farthest from all that were taken before it (Sener & Savarese 2018).

    The first is the one nearest the mean, unless something is taken already. Equal distances are
    decided by the order of the rows. The result is that of the plain greedy choice; but because a
    row's distance to the nearest taken one can only shrink, most rows need not be looked at for
    each choice: the farthest few are, as long as one of them is farther than every other row was.

    Args:
        points: Embeddings [N, d].
        n: How many; the allowance must have room for them.
        allowance: Which rows are open; the chosen ones are taken from it.
        taken: Embeddings [K, d] of what was chosen or trained on before.
        front: How many rows are looked at between two passes over the pool; changes the time alone.
    """
    nearest = np.full(len(points), np.inf)
    chosen: list[int] = []
    if taken is not None and len(taken):
        _shrink(nearest, points, np.asarray(taken, dtype=np.float64))
    elif n:
        chosen = [_most_central(points, allowance)]
        _shrink(nearest, points, points[chosen].astype(np.float64))
    while len(chosen) < n:
        picked = _farthest_in_front(points, nearest, n - len(chosen), allowance, front)
        _shrink(nearest, points, points[picked].astype(np.float64))
        chosen += picked
    return chosen


def _farthest_in_front(
    points: Points, nearest: Floats, n: int, allowance: Allowance, size: int
) -> list[int]:
    """At least one, at most `n` further rows of the greedy choice."""
    reach = np.where(allowance.open, nearest, -1.0)
    front = np.sort(np.argsort(-reach, kind="stable")[:size])
    distance = reach[front]
    reach[front] = -1.0
    behind = int(reach.argmax())  # no row that is not in front is farther than this one was
    rows = points[front].astype(np.float64)
    picked: list[int] = []
    while len(picked) < n:
        best = int(distance.argmax())
        if picked and (distance[best], behind) <= (reach[behind], front[best]):
            break  # the row behind may be farther, or as far and earlier in the order
        allowance.take(int(front[best]))
        picked.append(int(front[best]))
        np.minimum(distance, squared_distances(rows, rows[best : best + 1])[:, 0], out=distance)
        distance[~allowance.part(front).open] = -1.0
    return picked


def k_means(points: Points, n: int, allowance: Allowance, *, seed: int) -> list[int]:
    """For each of `n` mini-batch k-means clusters, the largest first, the open row nearest to it.

    Near is near the mean of a cluster's rows. Where there are fewer clusters than asked for, since
    the pool has fewer different points, each gives a second row, and so on.
    """
    labels = kmeans_labels(np.asarray(points, dtype=np.float64), n, seed=seed).labels
    order = np.argsort(-np.bincount(labels), kind="stable")
    centres = np.stack([points[labels == label].mean(0, dtype=np.float64) for label in order])
    chosen: list[int] = []
    while len(chosen) < n:
        for distance in _distances_to_each(points, centres[: n - len(chosen)]):
            distance[~allowance.open] = np.inf
            chosen += allowance.take_open([int(distance.argmin())], 1)
    return chosen


def facility_location(
    points: Points,
    n: int,
    allowance: Allowance,
    *,
    rng: np.random.Generator,
    taken: Points | None = None,
    demand: int = 4096,
    candidates: int = 256,
) -> list[int]:
    """`n` rows that greedily maximise Σ_i max_{s chosen} sim(i, s), sim = (1 + cosine) / 2.

    Up to `demand` rows the sum goes over all of them. Above, it goes over so many drawn ones, an
    unbiased estimate of the mean; with 4096 its error is at most 0.03 with probability 0.999 for
    any one choice (Hoeffding's bound). Every row remains a candidate. Gains can only shrink (the
    function is submodular), so a candidate is looked at again only while its old gain could still
    win (Minoux's lazy greedy). Gains that are equal to the last bit are decided by the order.

    Args:
        points: Embeddings [N, d].
        n: How many; the allowance must have room for them.
        allowance: Which rows are open; the chosen ones are taken from it.
        rng: Draws the rows that the sum goes over.
        taken: Embeddings [K, d] of what was chosen or trained on before: it covers already.
        demand: How many rows the sum goes over at most.
        candidates: How many rows are looked at together; changes the time and the memory alone.
    """
    unit = _unit(points)
    places = unit
    if len(unit) > demand:
        places = unit[np.sort(rng.choice(len(unit), demand, replace=False))]
    covered = np.full(len(places), -1.0, dtype=unit.dtype)  # the best cosine; -1 is worth nothing
    for part in _blocks(unit[:0] if taken is None else _unit(taken), candidates):
        np.maximum(covered, (part @ places.T).max(0), out=covered)
    bound = np.concatenate([_gains(part, places, covered) for part in _blocks(unit, candidates)])
    chosen: list[int] = []
    while len(chosen) < n:
        bound[~allowance.open] = -np.inf
        best = _best_gain(unit, places, covered, bound, candidates)
        allowance.take(best)
        chosen.append(best)
        np.maximum(covered, places @ unit[best], out=covered)
    return chosen


def _best_gain(
    unit: Points, places: Points, covered: Points, bound: Floats, candidates: int
) -> int:
    """The row of the largest gain; `bound` [N] is brought up to date where it was looked at."""
    stale = bound > 0  # a gain of nothing stays one
    while bound[stale].max(initial=-np.inf) >= bound[~stale].max(initial=-np.inf):
        rows = np.flatnonzero(stale)
        rows = rows[np.argsort(-bound[rows], kind="stable")[:candidates]]
        bound[rows] = _gains(unit[rows], places, covered)
        stale[rows] = False
        if not stale.any():
            break
    return int(bound.argmax())


def _gains(rows: Points, places: Points, covered: Points) -> Floats:
    """How much each row [M, d] would add to what is covered."""
    more = rows @ places.T
    more -= covered
    np.maximum(more, 0, out=more)
    return np.asarray(more.sum(1, dtype=np.float64) / 2)


def _unit(points: Points) -> Points:
    """Rows of length one; a row of zeros stays one, at cosine 0 to all others."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit: Points = points / np.maximum(lengths, 1e-12)
    return unit


def squared_distances(rows: Points, centres: Floats) -> Floats:
    """Squared distances [N, C] in float64, exactly zero between rows that are the same point."""
    out = np.empty((len(rows), len(centres)))
    length = (centres**2).sum(1)
    for start, part in zip(range(0, len(rows), _BLOCK), _blocks(rows, _BLOCK), strict=True):
        block = part.astype(np.float64, copy=False)
        lengths = (block**2).sum(1)[:, None] + length
        distance = lengths - 2 * (block @ centres.T)
        distance[distance <= _SAME * lengths] = 0.0
        out[start : start + _BLOCK] = distance
    return out


def _shrink(nearest: Floats, points: Points, centres: Floats) -> None:
    """Bring `nearest` [N], the squared distance to the nearest centre, up to date."""
    for start in range(0, len(points), _BLOCK):
        part = slice(start, start + _BLOCK)
        for first in range(0, len(centres), _BLOCK):
            distance = squared_distances(points[part], centres[first : first + _BLOCK])
            np.minimum(nearest[part], distance.min(1), out=nearest[part])


def _distances_to_each(points: Points, centres: Floats) -> Iterator[Floats]:
    """For each centre its squared distances [N] to all rows."""
    for start in range(0, len(centres), _CENTRES):
        yield from squared_distances(points, centres[start : start + _CENTRES]).T.copy()


def _most_central(points: Points, allowance: Allowance) -> int:
    mean = points.mean(0, dtype=np.float64, keepdims=True)
    distance = squared_distances(points, mean)[:, 0]
    distance[~allowance.open] = np.inf
    best = int(distance.argmin())
    allowance.take(best)
    return best


def _blocks(rows: Points, size: int) -> Iterator[Points]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
