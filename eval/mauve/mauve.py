"""MAUVE (Pillutla et al. 2021): how alike two sets of texts are, by their embeddings.

Both sets are quantised together into k clusters; the score compares the shares of the clusters (see
`divergence`). SoftSRV (arXiv 2410.16534, appendix A.7) uses k = 32; its scaling c, PCA and
normalisation are not known, so those of the package mauve-text 0.4.0 hold: rows of unit length, PCA
to 90 % of the variance, c = 5. k-means is scikit-learn's.

Two samples of one distribution score below 1, the more so the smaller they are: read a score beside
`mauve_ceiling`, and compare scores at equal n, k and embedder alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metasynth.errors import RequestError
from metasynth.eval.intervals import Bounds, interval_of_mean
from metasynth.randomness import derive_seed
from metasynth.vectors.cluster import one_thread

from .divergence import SCALING, Matrix, mauve_of_histograms

CLUSTERS = 32
SEEDS = (0, 1, 2, 3, 4)
VARIANCE = 0.9
_RESTARTS, _MOST_STEPS = 5, 500
_SPLITS, _DRAWS = 10, 200


@dataclass(frozen=True)
class MauveResult:
    """A score, over several seeds of the clustering.

    Attributes:
        mean: None where MAUVE is not defined; `reason` says why.
        interval: 95 % interval of the mean over seeds, by Student's t; None with one seed. It tells
            of the clustering alone: what the samples' size does is told by the ceiling.
        values: One a seed.
        clusters: In use; fewer than asked where there are fewer distinct rows.
        n_p: Matrix of the first set.
        n_q: Matrix of the second set.
    """

    mean: float | None
    interval: Bounds | None
    values: tuple[float, ...]
    clusters: int
    n_p: int
    n_q: int
    reason: str = ""


@dataclass(frozen=True)
class MauveCeiling:
    """What two samples of one distribution score at these sizes.

    Attributes:
        mean: None where it is not defined; `reason` says why.
        interval: The middle 95 % of the draws.
        draws: How many pairs of samples were drawn.
        method: `split`: disjoint random parts of the reference, each pair clustered as a score
            would be. `multinomial`, where the reference is too small for that: pairs of samples,
            with replacement, of the reference's cluster shares. The two differ by thousandths at
            500 rows a sample and by hundredths at 100.
    """

    mean: float | None
    interval: Bounds | None
    draws: int
    method: Literal["split", "multinomial"]
    clusters: int
    n_p: int
    n_q: int
    reason: str = ""


def mauve(
    p: ArrayLike,
    q: ArrayLike,
    *,
    clusters: int = CLUSTERS,
    scaling: float = SCALING,
    seeds: Sequence[int] = SEEDS,
    variance: float = VARIANCE,
    normalise: bool = True,
) -> MauveResult:
    """MAUVE of two sets of embeddings.

    Memory is linear in the rows. The order of rows matters a little: k-means starts from them.

    Args:
        p: [n, d], one set.
        q: [m, d], the other one.
        clusters: k.
        scaling: c.
        seeds: One clustering each.
        variance: Share of the joint variance that PCA keeps, the component that reaches it
            included; 1 for no PCA.
        normalise: Matrix to unit length before PCA.

    Raises:
        RequestError: NaN or infinity, rows of different width, fewer rows than clusters, or a
            setting out of range.
    """
    first, second = _checked("p", p), _checked("q", q)
    n_p, n_q = len(first), len(second)
    if min(n_p, n_q) < 2:
        reason = f"there are {n_p} and {n_q} rows, and each set needs two at least"
        return MauveResult(None, None, (), clusters, n_p, n_q, reason)
    if first.shape[1] != second.shape[1]:
        raise RequestError(
            f"mauve: rows of p have {first.shape[1]} numbers, rows of q {second.shape[1]}",
            hint="embed both sets with the same model",
            code="other_width",
        )
    _check_settings(clusters, scaling, variance, n_p + n_q)
    if not seeds:
        raise RequestError("mauve: no seed was given", code="out_of_range")
    rows = _prepared(np.concatenate([first, second]), variance=variance, normalise=normalise)
    values, used = [], 0
    for labels in _clusterings(rows, clusters, seeds):
        used = max(used, int(labels.max()) + 1)
        values.append(
            mauve_of_histograms(
                np.bincount(labels[:n_p], minlength=clusters),
                np.bincount(labels[n_p:], minlength=clusters),
                scaling=scaling,
            )
        )
    mean = float(np.mean(values))
    return MauveResult(mean, _interval(values), tuple(values), used, n_p, n_q)


def mauve_ceiling(
    reference: ArrayLike,
    *,
    n_p: int,
    n_q: int,
    clusters: int = CLUSTERS,
    scaling: float = SCALING,
    seed: int = 0,
    variance: float = VARIANCE,
    normalise: bool = True,
) -> MauveCeiling:
    """The score to expect where nothing is left to gain, at these sizes.

    Args:
        reference: [N, d], all real embeddings there are, training and held-out ones pooled.
        n_p: Size of the one sample.
        n_q: Size of the other one; the rest is as in `mauve`.

    Raises:
        RequestError: As in `mauve`.
    """
    rows = _checked("reference", reference)
    method: Literal["split", "multinomial"] = "split" if len(rows) >= n_p + n_q else "multinomial"
    if min(n_p, n_q) < 2 or len(rows) < 2:
        reason = f"samples of {n_p} and {n_q} from {len(rows)} rows: each needs two rows at least"
        return MauveCeiling(None, None, 0, method, clusters, n_p, n_q, reason)
    rng = np.random.default_rng(derive_seed(seed, "mauve ceiling"))
    values: list[float] = []
    if method == "split":
        for draw in range(_SPLITS):
            order = rng.permutation(len(rows))
            result = mauve(
                rows[order[:n_p]],
                rows[order[n_p : n_p + n_q]],
                clusters=clusters,
                scaling=scaling,
                seeds=[draw],
                variance=variance,
                normalise=normalise,
            )
            values += result.values
    else:
        _check_settings(clusters, scaling, variance, len(rows))
        prepared = _prepared(rows, variance=variance, normalise=normalise)
        for labels in _clusterings(prepared, clusters, [seed]):
            shares = np.bincount(labels) / len(labels)
            values += _simulated(shares, n_p, n_q, scaling, rng)
    low, high = np.quantile(values, [0.025, 0.975])
    mean = float(np.mean(values))
    return MauveCeiling(mean, (float(low), float(high)), len(values), method, clusters, n_p, n_q)


def _checked(name: str, matrix: ArrayLike) -> Matrix:
    rows = np.asarray(matrix, dtype=np.float64)
    if rows.ndim != 2 or (len(rows) and not rows.shape[1]):
        if rows.size == 0:
            return np.zeros((0, 1))
        raise RequestError(
            f"mauve: {name} must be rows of numbers, its shape is {rows.shape}", code="bad_shape"
        )
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise RequestError(
            f"mauve: row {broken[0]} of {name} holds NaN or infinity ({len(broken)} rows do)",
            code="not_finite",
        )
    return rows


def _check_settings(clusters: int, scaling: float, variance: float, rows: int) -> None:
    if clusters < 2:
        raise RequestError(
            f"mauve: {clusters} clusters tell nothing apart, 2 are the least", code="out_of_range"
        )
    if rows < clusters:
        raise RequestError(
            f"mauve: {clusters} clusters need as many rows at least, there are {rows}",
            hint="ask for fewer clusters, or give more texts",
            code="too_few_rows",
        )
    if not scaling > 0 or not 0 < variance <= 1:
        raise RequestError(
            f"mauve: scaling must be above 0 and variance in (0, 1], not {scaling} and {variance}",
            code="out_of_range",
        )


def _prepared(rows: Matrix, *, variance: float, normalise: bool) -> Matrix:
    """Matrix of unit length (zero rows stay zero), in their first principal components."""
    if normalise:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(lengths > 0, lengths, 1.0)
    if variance == 1:
        return rows
    centred = rows - rows.mean(axis=0)
    with one_thread():
        # the smaller one of covariance and Gram matrix: memory stays linear in the rows
        wide = centred.shape[1] > centred.shape[0]
        square = centred @ centred.T if wide else centred.T @ centred
        values, directions = np.linalg.eigh(square)
        values, directions = values[::-1].clip(min=0), directions[:, ::-1]
        if not values.sum() > 0:
            return np.zeros((len(rows), 1))
        share = np.cumsum(values) / values.sum()
        components = int(np.argmax(share >= variance)) + 1
        if wide:
            return np.asarray(directions[:, :components] * np.sqrt(values[:components]))
        return np.asarray(centred @ directions[:, :components])


def _clusterings(rows: Matrix, clusters: int, seeds: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Labels of the rows, one clustering a seed; never more clusters than distinct rows."""
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    scale = np.abs(rows).max() or 1.0
    distinct = len(np.unique(np.round(rows / scale, 9), axis=0))
    for seed in seeds:
        model = KMeans(
            min(clusters, distinct),
            n_init=_RESTARTS,
            max_iter=_MOST_STEPS,
            random_state=seed % 2**32,
        )
        with one_thread():
            labels = model.fit_predict(rows)
        yield labels


def _simulated(
    shares: Matrix, n_p: int, n_q: int, scaling: float, rng: np.random.Generator
) -> list[float]:
    pairs = zip(
        rng.multinomial(n_p, shares, size=_DRAWS),
        rng.multinomial(n_q, shares, size=_DRAWS),
        strict=True,
    )
    return [mauve_of_histograms(first, second, scaling=scaling) for first, second in pairs]


def _interval(values: Sequence[float]) -> Bounds | None:
    """Of the mean, inside what MAUVE can be."""
    interval = interval_of_mean(values)
    return None if interval is None else (max(0.0, interval[0]), min(1.0, interval[1]))
