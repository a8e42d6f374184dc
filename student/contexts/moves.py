"""New context vectors near old ones: partners to mix with, jitter, climbing a score model."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.errors import RequestError

from .score_model import ModelKind, fit_score_model, folds
from .shrunk_covariance import ShrunkCovariance, within_clusters

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

_STEPS = 20  # of a climb; ten reach the border of the trust region


def high_with_company(keys: Floats, clusters: Integers, *, share: float) -> NDArray[np.intp]:
    """Rows among the best `share` by rank, without those that are alone in their cluster.

    Raises:
        RequestError: There are none.
    """
    high = np.flatnonzero(keys > 1 - share)
    company = np.bincount(clusters[high], minlength=int(clusters.max()) + 1)
    rows = high[company[clusters[high]] > 1]
    if len(rows) == 0:
        raise RequestError(
            "contexts: no cluster holds two high contexts to interpolate between",
            hint="use fewer clusters, or a larger high_share",
            code="too_few_contexts",
        )
    return rows


def mates(
    rows: NDArray[np.intp],
    clusters: Integers,
    starts: NDArray[np.intp],
    *,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """For each of `starts` another of `rows` in its cluster, drawn uniformly."""
    drawn = []
    for start in starts.tolist():
        others = rows[(clusters[rows] == clusters[start]) & (rows != start)]
        drawn.append(int(rng.choice(others)))
    return np.array(drawn, dtype=np.intp)


def jitter(
    z: Floats, clusters: Integers, starts: Sequence[int], *, rng: np.random.Generator
) -> Floats:
    """A draw for each of `starts` [n, d] from the shrunk covariance of its cluster.

    For clusters of one or two points, which have no spread worth the name, that of all points
    about the middles of their clusters stands in.
    """
    apart = within_clusters(z, clusters)
    drawn = np.empty((len(starts), z.shape[1]))
    own = clusters[list(starts)]
    for cluster in np.unique(own):
        members = clusters == cluster
        covariance = ShrunkCovariance.of(apart[members] if members.sum() > 2 else apart)
        here = np.flatnonzero(own == cluster)
        drawn[here] = covariance.sample(len(here), rng=rng)
    return drawn


def ascend(
    z: Floats,
    keys: Floats,
    clusters: Integers,
    starts: Sequence[int],
    *,
    kind: ModelKind,
    parts: int,
    radius: float,
    rng: np.random.Generator,
) -> Floats:
    """How far each of `starts` [n, d] climbs a model of `keys` that has not seen its own key.

    It stays within the Mahalanobis distance `radius`, in the shrunk covariance inside clusters.
    """
    covariance = ShrunkCovariance.of(within_clusters(z, clusters))
    begun = np.array(starts, dtype=np.intp)
    moved = np.zeros((len(begun), z.shape[1]))
    every = np.arange(len(z))
    for part in folds(len(z), parts, rng=rng):
        rest = np.setdiff1d(every, part) if len(part) < len(z) else every
        here = np.flatnonzero(np.isin(begun, part))
        model = fit_score_model(z[rest], keys[rest], kind=kind, rng=rng)
        moved[here] = _climb(z[begun[here]], model.gradient, covariance, radius)
    return moved


def _climb(
    z: Floats, gradient: Callable[[Floats], Floats], covariance: ShrunkCovariance, radius: float
) -> Floats:
    """Steps along Σ∇g, the steepest way in the metric Σ⁻¹ of the trust region.

    The way so far is Σu, and its Mahalanobis length √(uᵀΣu), so Σ is never inverted.
    """
    u = np.zeros_like(z)
    for _ in range(_STEPS):
        slope = gradient(z + covariance.times(u))
        step = slope * _factor(slope, covariance, 2 * radius / _STEPS)
        u = (u + step) * np.minimum(_factor(u + step, covariance, radius), 1)
    return covariance.times(u)


def _factor(u: Floats, covariance: ShrunkCovariance, length: float) -> Floats:
    """What makes the Mahalanobis length of each Σu [N, d] the one wanted, [N, 1]; 0 for none."""
    now = np.sqrt(np.maximum((u * covariance.times(u)).sum(1, keepdims=True), 0))
    return np.asarray(np.divide(length, now, out=np.zeros_like(now), where=now > 0))
