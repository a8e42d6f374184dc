"""k-means: the row nearest to the middle of each of as many clusters as rows are wanted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.distances import squared_distances
from metasynth.student.selection.strategy import SelectionTask, strategy
from metasynth.vectors.cluster import kmeans_labels

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]  # [N, d], float32 or float64

_CENTRES = 64  # centres whose distances to all rows are held at a time


@strategy(needs="embeddings")
def choose(task: SelectionTask) -> list[int]:
    """See `k_means`."""
    return k_means(task.embeddings, task.count, task.allowance, seed=task.seed)


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


def _distances_to_each(points: Points, centres: Floats) -> Iterator[Floats]:
    """For each centre its squared distances [N] to all rows."""
    for start in range(0, len(centres), _CENTRES):
        yield from squared_distances(points, centres[start : start + _CENTRES]).T.copy()
