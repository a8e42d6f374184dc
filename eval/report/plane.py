"""A map of texts in two dimensions: the first two principal components of their vectors."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32] | NDArray[np.float64]


class Projected(NamedTuple):
    """Groups of points [n, 2], and the share of the fitted groups' variance along each axis."""

    groups: tuple[NDArray[np.float64], ...]
    explained: tuple[float, float]


def project(fitted: Sequence[Matrix], shown: Sequence[Matrix] = ()) -> Projected | None:
    """Where the rows of all groups lie along the two directions in which the fitted ones vary most.

    Each fitted group weighs the same, whatever its size. Groups that are only shown (seeds, which
    may be mere keywords) do not turn the axes. None where there are fewer than three rows, or
    where they do not vary.

    Args:
        fitted: Vectors [n, d] of the groups that decide the axes.
        shown: Vectors [m, d] of groups that are placed on them.
    """
    present = [np.asarray(rows, dtype=np.float64) for rows in fitted if len(rows)]
    if sum(map(len, present)) < 3:
        return None
    centre = np.mean([rows.mean(axis=0) for rows in present], axis=0)
    weighed = np.concatenate([(rows - centre) / np.sqrt(len(rows)) for rows in present])
    # of the d x d matrix: thousands of rows, hundreds of columns
    variances, directions = np.linalg.eigh(weighed.T @ weighed)
    total = float(variances.sum())
    if total <= 1e-12:
        return None
    axes = directions[:, [-1, -2]]  # [d, 2]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)  # one sign everywhere
    groups = tuple(
        (np.asarray(rows, dtype=np.float64) - centre) @ axes if len(rows) else np.zeros((0, 2))
        for rows in (*fitted, *shown)
    )
    first, second = (max(0.0, float(variances[place])) / total for place in (-1, -2))
    return Projected(groups, (first, second))
