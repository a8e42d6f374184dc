"""How diverse texts are, before and after the round robin.

Distinct-n and the like fall with the number of texts, so "before" is measured on random draws of as
many texts as were kept. Cosine distances are those of the given vectors: TF-IDF's unless a caller
gives an embedder's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from metasynth.text.words import words

_DRAWS = 5


@dataclass(frozen=True)
class Spread:
    """Diversity of a set of texts; higher is more diverse. None where it is not defined.

    Attributes:
        texts: How many.
        distinct_1: Distinct words among all words (0 to 1).
        distinct_4: Distinct runs of four words, inside texts, among all of them (0 to 1).
        mean_distance: Mean cosine distance of two texts (0 to 2).
        clusters: Share of all clusters that hold at least one of the texts (0 to 1).
        evenness: Entropy of the texts' clusters over its largest value, the logarithm of the number
            of all clusters (0 to 1).
    """

    texts: float
    distinct_1: float | None
    distinct_4: float | None
    mean_distance: float | None
    clusters: float | None
    evenness: float | None


@dataclass(frozen=True)
class SpreadChange:
    """Before: the mean over random draws of as many texts as were kept. After: those kept."""

    before: Spread
    after: Spread


def spread_change(
    texts: Sequence[str],
    labels: Sequence[int] | NDArray[np.int64],
    kept: Sequence[int],
    *,
    vectors: NDArray[np.floating],
    rng: Random,
) -> SpreadChange:
    """What choosing the indices `kept` of `texts` did to their diversity.

    Args:
        labels: The cluster of every text.
        kept: Indices of the texts that were chosen.
        vectors: [len(texts), d], in any scale.
        rng: Draws the sets to compare with.
    """
    all_labels = np.asarray(labels)
    unit = _unit(vectors)
    total = len(np.unique(all_labels))

    def measure(chosen: Sequence[int]) -> Spread:
        rows = np.asarray(chosen, dtype=np.int64)
        return _spread([texts[i] for i in chosen], all_labels[rows], total, unit[rows])

    draws = [measure(rng.sample(range(len(texts)), len(kept))) for _ in range(_DRAWS)]
    return SpreadChange(before=_mean(draws), after=measure(kept))


def distinct_n(texts: Sequence[str], n: int) -> float | None:
    """Distinct runs of `n` words over all of them, inside texts; None where there are none."""
    runs = [
        tuple(found[start : start + n])
        for found in map(words, texts)
        for start in range(len(found) - n + 1)
    ]
    return len(set(runs)) / len(runs) if runs else None


def mean_distance(unit: NDArray[np.floating]) -> float | None:
    """Mean cosine distance over pairs of different rows of unit length; None for fewer than two.

    In closed form: with s the sum of the rows, (n² - |s|²) / (n (n - 1)).
    """
    count = len(unit)
    if count < 2:
        return None
    total = unit.sum(axis=0, dtype=np.float64)
    return float((count**2 - total @ total) / (count * (count - 1)))


def _spread(
    texts: Sequence[str], labels: NDArray[np.int64], clusters: int, unit: NDArray[np.floating]
) -> Spread:
    shares = np.unique(labels, return_counts=True)[1] / max(len(labels), 1)
    entropy = float(-(shares * np.log(shares)).sum())
    # a text without a word has no direction
    directed = unit[np.linalg.norm(unit, axis=1) > 0.5]
    return Spread(
        texts=len(texts),
        distinct_1=distinct_n(texts, 1),
        distinct_4=distinct_n(texts, 4),
        mean_distance=mean_distance(directed),
        clusters=len(shares) / clusters if clusters else None,
        evenness=entropy / float(np.log(clusters)) if clusters > 1 else None,
    )


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))


def _mean(spreads: Sequence[Spread]) -> Spread:
    def over(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if len(known) == len(values) else None

    return Spread(
        texts=spreads[0].texts,
        distinct_1=over([spread.distinct_1 for spread in spreads]),
        distinct_4=over([spread.distinct_4 for spread in spreads]),
        mean_distance=over([spread.mean_distance for spread in spreads]),
        clusters=over([spread.clusters for spread in spreads]),
        evenness=over([spread.evenness for spread in spreads]),
    )
