"""Vectors of length one, and their distances to the nearest; no matrix of all pairs is held."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metasynth.errors import RequestError
from metasynth.vectors.cluster import one_thread

Matrix = NDArray[np.float64]

_BLOCK = 2048
ROUNDING = 1e-12  # cosine distances below this are rounding


def unit_rows(vectors: ArrayLike, *, what: str = "vectors") -> Matrix:
    """The rows with length one, in float64.

    Raises:
        RequestError: Not rows of numbers; a row holds NaN or infinity, or is all zero (it has no
            direction).
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.size == 0:
        return np.zeros((0, 1))
    if rows.ndim != 2:
        raise RequestError(
            f"{what} must be rows of numbers, their shape is {rows.shape}", code="bad_shape"
        )
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise RequestError(
            f"row {broken[0]} of {what} holds NaN or infinity ({len(broken)} do)", code="not_finite"
        )
    scale = np.abs(rows).max(axis=1, keepdims=True)  # squares of tiny numbers would be zero
    empty = np.flatnonzero(scale[:, 0] == 0)
    if len(empty):
        raise RequestError(
            f"row {empty[0]} of {what} is all zero ({len(empty)} are)", code="zero_row"
        )
    rows = rows / scale
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def nearest_distances(rows: Matrix) -> NDArray[np.float64]:
    """Cosine distance of each row to its nearest other one, [n].

    The nearest is found in float32 and its distance taken in float64, so that it may be too large
    by some 1e-7 where two are nearly as near. n >= 2.
    """
    small = rows.astype(np.float32)
    nearest = np.empty(len(rows), dtype=np.int64)
    with one_thread():
        for start in range(0, len(rows), _BLOCK):
            part = small[start : start + _BLOCK] @ small.T
            part[np.arange(len(part)), np.arange(start, start + len(part))] = -np.inf
            nearest[start : start + _BLOCK] = part.argmax(axis=1)
    # half the squared difference: exactly 0 for equal rows, where 1 - u·v is not
    distances = np.square(rows - rows[nearest]).sum(axis=1) / 2
    return np.where(distances > ROUNDING, distances, 0.0)
