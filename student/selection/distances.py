"""Squared distances of points, in float64 between a block of rows and a few centres.

All distances of a pool are never held at once.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]  # [N, d], float32 or float64

BLOCK = 8192  # rows that are widened to float64 at a time
_SAME = 1e-12  # of the squared lengths: below, two rows are the same point


def squared_distances(rows: Points, centres: Floats) -> Floats:
    """Squared distances [N, C] in float64, exactly zero between rows that are the same point."""
    out = np.empty((len(rows), len(centres)))
    length = (centres**2).sum(1)
    for start, part in zip(range(0, len(rows), BLOCK), blocks(rows, BLOCK), strict=True):
        block = part.astype(np.float64, copy=False)
        lengths = (block**2).sum(1)[:, None] + length
        distance = lengths - 2 * (block @ centres.T)
        distance[distance <= _SAME * lengths] = 0.0
        out[start : start + BLOCK] = distance
    return out


def blocks(rows: Points, size: int) -> Iterator[Points]:
    """The rows, at most `size` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
