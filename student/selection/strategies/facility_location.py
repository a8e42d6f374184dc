"""Facility location: rows that between them are similar to all others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.distances import blocks
from metasynth.student.selection.strategy import SelectionTask, strategy

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]  # [N, d], float32 or float64


@strategy(needs="embeddings")
def choose(task: SelectionTask) -> list[int]:
    """See `facility_location`."""
    return facility_location(
        task.embeddings, task.count, task.allowance, rng=task.rng, taken=task.taken
    )


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
    for part in blocks(unit[:0] if taken is None else _unit(taken), candidates):
        np.maximum(covered, (part @ places.T).max(0), out=covered)
    bound = np.concatenate([_gains(part, places, covered) for part in blocks(unit, candidates)])
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
