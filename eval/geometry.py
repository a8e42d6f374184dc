"""Diversity of vectors: remote clique, Chamfer distance, Vendi score.

All by cosine. Remote clique and Chamfer distance are those of Cox et al. 2021 (Directed Diversity,
arXiv 2101.06030), the Vendi score that of Friedman and Dieng 2022. None is safe alone: remote
clique does not see clusters, and the Vendi score does not see that a corpus was doubled. No matrix
of all pairs is held.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metasynth.errors import RequestError
from metasynth.eval.metric import Metric, undefined
from metasynth.vectors.cluster import one_thread

Rows = NDArray[np.float64]

_BLOCK = 2048
_NO_WEIGHT = 1e-12  # eigenvalues below this share of the largest are rounding
_SAME = 1e-12  # cosine distances below this are rounding


def unit_rows(vectors: ArrayLike, *, what: str = "vectors") -> Rows:
    """The rows with length one, in float64.

    Raises:
        RequestError: Not rows of numbers; a row holds NaN or infinity, or is all zero (it has no
            direction).
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.size == 0:
        return np.zeros((0, 1))
    if rows.ndim != 2:
        raise RequestError(f"{what} must be rows of numbers, their shape is {rows.shape}")
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise RequestError(f"row {broken[0]} of {what} holds NaN or infinity ({len(broken)} do)")
    scale = np.abs(rows).max(axis=1, keepdims=True)  # squares of tiny numbers would be zero
    empty = np.flatnonzero(scale[:, 0] == 0)
    if len(empty):
        raise RequestError(f"row {empty[0]} of {what} is all zero ({len(empty)} are)")
    rows = rows / scale
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def remote_clique(rows: Rows, *, with_self: bool = False) -> Metric:
    """Mean over texts of the mean cosine distance to the others, 0 to n / (n - 1).

    In closed form: with s the sum of the n unit rows it is (n² - |s|²) / (n (n - 1)).

    Args:
        rows: [n, d], of length one (see `unit_rows`).
        with_self: Count the zero distance to itself too, as the package `diversity` does.
    """
    n = len(rows)
    settings = {"distance": "cosine", "pairs": "all" if with_self else "i != j"}
    if n < 2:
        return undefined(f"needs two texts, there are {n}", n, settings)
    apart = n * n - float(np.square(rows.sum(axis=0)).sum())
    apart = apart if apart > _SAME * n * n else 0.0  # equal rows differ from 0 by rounding
    return Metric(apart / (n * n if with_self else n * (n - 1)), n, settings)


def chamfer_distance(rows: Rows) -> Metric:
    """Mean over texts of the cosine distance to the nearest other text, 0 to 2.

    It falls as the number of texts grows.
    """
    n = len(rows)
    settings = {"distance": "cosine", "pairs": "i != j"}
    if n < 2:
        return undefined(f"needs two texts, there are {n}", n, settings)
    distances = nearest_distances(rows)
    detail = {
        "equal_to_another": int((distances == 0).sum()),
        "median": float(np.median(distances)),
    }
    return Metric(float(distances.mean()), n, settings, detail)


def nearest_distances(rows: Rows) -> NDArray[np.float64]:
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
    return np.where(distances > _SAME, distances, 0.0)


def vendi_score(rows: Rows) -> Metric:
    """exp of the entropy of the eigenvalues of K / n, K the cosine similarities; 1 to min(n, d).

    `detail` has the orders 2 and infinity too, which weigh what is common more.
    """
    n = len(rows)
    settings = {"kernel": "cosine", "order": 1}
    if n < 2:
        return undefined(f"needs two texts, there are {n}", n, settings)
    with one_thread():
        # both have the same eigenvalues but for zeros
        square = rows.T @ rows if rows.shape[1] < n else rows @ rows.T
        weights = np.linalg.eigvalsh(square / n)
    weights = weights[weights > _NO_WEIGHT * weights.max()]
    weights = weights / weights.sum()
    entropy = float(-(weights * np.log(weights)).sum())
    detail = {
        "order_2": float(1 / np.square(weights).sum()),
        "order_infinity": float(1 / weights.max()),
        "dimensions": rows.shape[1],
    }
    return Metric(float(np.exp(entropy)), n, settings, detail)
