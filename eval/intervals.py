"""Intervals of 95 %, by Student's t."""

from collections.abc import Sequence

import numpy as np

Bounds = tuple[float, float]
"""The lower and the upper end of an interval."""


def interval_of_mean(values: Sequence[float]) -> Bounds | None:
    """Of the mean of independent values; None with one value."""
    if len(values) < 2:
        return None
    return _around_mean(values, float(np.std(values, ddof=1)), len(values))


def interval_of_draws(values: Sequence[float], *, records: int, available: int) -> Bounds | None:
    """Of the mean of draws of `records` texts out of `available`; None where all draws are alike.

    Draws that overlap vary less than new ones would: their spread is widened by the share that they
    have in common (as for samples without replacement), and they count as fewer than they are.
    """
    draws = len(values)
    share = records / available
    if draws < 2 or share >= 1:
        return None
    spread = float(np.std(values, ddof=1))
    is_disjoint = draws * share <= 1
    if not is_disjoint:
        spread /= (1 - share) ** 0.5
    return _around_mean(values, spread, draws if is_disjoint else max(1.0, 1 / share))


def _around_mean(values: Sequence[float], spread: float, effective: float) -> Bounds:
    from scipy.stats import t  # type: ignore[import-untyped]

    half = float(t.ppf(0.975, len(values) - 1)) * spread / effective**0.5
    mean = float(np.mean(values))
    return mean - half, mean + half
