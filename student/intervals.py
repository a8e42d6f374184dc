"""Rank correlations, shares and bootstrap intervals: how sure a number is."""

from collections.abc import Callable
from math import hypot, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.ranking import rank_normalised

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

CONFIDENCE = 0.95
MIN_UNITS = 4  # below, a bootstrap says nothing: nearly every resample repeats the same few


class Interval(NamedTuple):
    """A value with its interval, of 95 % unless said otherwise; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def spearman(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation, ties sharing a rank; NaN where one side does not vary."""
    if len(one) < 2:
        return float("nan")
    ranks = [rank_normalised(values) for values in (one, other)]
    apart = [values - values.mean() for values in ranks]
    scale = float(np.sqrt((apart[0] ** 2).sum() * (apart[1] ** 2).sum()))
    # equal ranks differ from their mean by rounding
    return float(apart[0] @ apart[1]) / scale if scale > 1e-9 else float("nan")


def bootstrap(
    statistic: Callable[[Integers], float],
    units: int,
    *,
    seed: int,
    resamples: int = 1000,
    bounds: tuple[float, float] = (float("-inf"), float("inf")),
) -> Interval:
    """A statistic of units 0 to `units` - 1 with its percentile bootstrap interval.

    Resamples where the statistic is not defined (NaN) are left out. With fewer than four units, or
    when most resamples are left out, the interval is all there is: `bounds`.
    """
    value = statistic(np.arange(units))
    rng = np.random.default_rng(seed)
    if units < MIN_UNITS:
        return Interval(value, *bounds)
    drawn = np.array([statistic(rng.integers(units, size=units)) for _ in range(resamples)])
    drawn = drawn[np.isfinite(drawn)]
    if 2 * len(drawn) < resamples:
        return Interval(value, *bounds)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))


def share(hits: int, count: int) -> Interval:
    """A share of independent trials with Wilson's score interval."""
    if count == 0:
        return Interval(float("nan"), 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    value = hits / count
    middle = (value + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * sqrt(value * (1 - value) / count + z**2 / (4 * count**2))
    # at 0 and 1 rounding could lead beyond, or leave the value outside
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Interval(value, min(low, value), max(high, value))


def difference(one: Interval, other: Interval) -> Interval:
    """one - other of two independent shares, with Newcombe's interval (1998, method 10)."""
    value = one.value - other.value
    low = value - hypot(one.value - one.low, other.high - other.value)
    high = value + hypot(one.high - one.value, other.value - other.low)
    return Interval(value, max(low, -1.0), min(high, 1.0))
