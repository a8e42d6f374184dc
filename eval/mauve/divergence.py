"""The divergence curve of two histograms, and the area under it, which is MAUVE.

For w in (0, 1) and r = w p + (1 - w) q the curve (exp(-c KL(q|r)), exp(-c KL(p|r))), closed by
(1, 0) and (0, 1), encloses an area between (c!)²/(2c)! (nothing in common; c whole) and 1 (equal).
Pillutla et al. 2021, section 2; c = 5 and 25 values of w as in the package mauve-text 0.4.0, which
sorts the curve by x and can give 0.75 for equal histograms. Here it is summed in the order of w.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metasynth.errors import RequestError

Matrix = NDArray[np.float64]

SCALING = 5.0
_POINTS = 25
_NEAREST_END = 1e-6  # w never reaches 0 or 1, where a divergence is infinite


def mauve_of_histograms(
    p: ArrayLike, q: ArrayLike, *, scaling: float = SCALING, points: int = _POINTS
) -> float:
    """The area under the divergence curve of two histograms over the same clusters.

    Args:
        p: [k] counts or shares, none negative, not all zero.
        q: The same for the other set.
        scaling: c.
        points: Values of w.

    Raises:
        RequestError: The histograms are none, or have different lengths.
    """
    curve = divergence_curve(p, q, scaling=scaling, points=points)
    x, y = curve[:, 0], curve[:, 1]
    # x falls and y rises along w, so the areas over both axes are equal, and one is enough
    return float(((x[:-1] - x[1:]) * (y[:-1] + y[1:])).sum() / 2)


def divergence_curve(
    p: ArrayLike, q: ArrayLike, *, scaling: float = SCALING, points: int = _POINTS
) -> Matrix:
    """The curve of two histograms from (1, 0) to (0, 1), [points + 2, 2], in the order of w."""
    shares_p, shares_q = _shares("p", p), _shares("q", q)
    if shares_p.shape != shares_q.shape:
        raise RequestError(
            f"mauve: histograms over {len(shares_p)} and {len(shares_q)} clusters are no pair",
            code="other_length",
        )
    w = np.linspace(_NEAREST_END, 1 - _NEAREST_END, points)[:, None]
    mixed = w * shares_p + (1 - w) * shares_q  # [points, k]
    inner = np.exp(-scaling * np.stack([_kl(shares_q, mixed), _kl(shares_p, mixed)], axis=1))
    return np.concatenate([[[1.0, 0.0]], inner, [[0.0, 1.0]]])


def _kl(shares: Matrix, mixed: Matrix) -> Matrix:
    """KL(shares | each row of mixed) in nats; 0 log 0 = 0."""
    there = shares > 0
    return np.asarray(
        (shares[there] * np.log(shares[there] / mixed[:, there])).sum(axis=1), dtype=np.float64
    )


def _shares(name: str, histogram: ArrayLike) -> Matrix:
    counts = np.asarray(histogram, dtype=np.float64)
    if counts.ndim != 1 or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise RequestError(
            f"mauve: histogram {name} must be a list of numbers, none negative, not all zero",
            code="bad_histogram",
        )
    return np.asarray(counts / counts.sum(), dtype=np.float64)
