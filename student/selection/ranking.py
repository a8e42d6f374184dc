"""Orders of rows by their scores: turned, ranked, standardised, drawn by softmax."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["high", "low", "middle"]
Floats = NDArray[np.float64]


def oriented(scores: Floats, direction: Direction) -> Floats:
    """Scores [N] turned so that high is wanted; `middle` is near the median."""
    match direction:
        case "high":
            return scores
        case "low":
            return -scores
        case "middle":
            return -np.abs(scores - np.median(scores))


def rank_normalised(scores: Floats) -> Floats:
    """Ranks in (0, 1), equal for equal scores: (rank - 1/2) / N with rank from 1 to N.

    Whatever grows with the scores gives the same ranks, so what follows from them does not depend
    on a score's unit.
    """
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    ranks: Floats = (below + counts / 2)[place] / max(len(scores), 1)
    return ranks


def standardised(keys: Floats) -> Floats:
    """Keys in units of their standard deviation, so that a temperature fits every criterion."""
    spread = float(keys.std()) if len(keys) else 0.0
    return keys / spread if spread > 0 else np.zeros_like(keys)


def descending(keys: Floats) -> NDArray[np.intp]:
    """Rows from the highest key to the lowest; equal ones in their order."""
    return np.argsort(-keys, kind="stable")


def gumbel_order(keys: Floats, *, temperature: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows in the order of draws without replacement with chances ∝ exp(key / temperature).

    Adding Gumbel noise and sorting is the same as drawing one after the other from the softmax of
    what is left (Kool et al., arXiv 1903.06059). Skipping rows of this order is the same as
    drawing from the others alone, so caps keep the distribution right. At temperature 0 it is
    `descending`.
    """
    return descending(keys + temperature * rng.gumbel(size=len(keys)))
