"""k-center: each row the farthest from all taken before it (Sener & Savarese 2018)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.distances import BLOCK, squared_distances
from metasynth.student.selection.strategy import SelectionTask, strategy

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]  # [N, d], float32 or float64


@strategy(needs="embeddings")
def choose(task: SelectionTask) -> list[int]:
    """See `k_center`."""
    return k_center(task.embeddings, task.count, task.allowance, taken=task.taken)


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


def _shrink(nearest: Floats, points: Points, centres: Floats) -> None:
    """Bring `nearest` [N], the squared distance to the nearest centre, up to date."""
    for start in range(0, len(points), BLOCK):
        part = slice(start, start + BLOCK)
        for first in range(0, len(centres), BLOCK):
            distance = squared_distances(points[part], centres[first : first + BLOCK])
            np.minimum(nearest[part], distance.min(1), out=nearest[part])


def _most_central(points: Points, allowance: Allowance) -> int:
    mean = points.mean(0, dtype=np.float64, keepdims=True)
    distance = squared_distances(points, mean)[:, 0]
    distance[~allowance.open] = np.inf
    best = int(distance.argmin())
    allowance.take(best)
    return best
