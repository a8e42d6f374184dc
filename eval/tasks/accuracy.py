"""Accuracy and F1 with 95 % intervals.

Shares have Wilson's score interval; F1 scores and means have a percentile bootstrap over the
items, which for scores of labels is drawn as counts of (group, gold, answer): the same
distribution, at a cost that does not grow with the items.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A number with its interval of 95 %.

    Attributes:
        value: None where it is not defined; `reason` says why.
        n: Items that it is taken over.
        method: `wilson` or `bootstrap`.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    reason: str = ""


class Labelled(NamedTuple):
    """An item's right label and the one that it was given; "" for none."""

    gold: str
    answer: str
    group: str = ""


def accuracy(correct: int, n: int) -> Estimate:
    """A share of right answers with Wilson's score interval."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    if not n:
        return _undefined("wilson")
    interval = binomtest(correct, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(correct / n, float(interval.low), float(interval.high), n, "wilson")


def mean_score(scores: Sequence[float], *, seed: int) -> Estimate:
    """The mean of scores with its bootstrap interval."""
    if not scores:
        return _undefined("bootstrap")
    values = np.asarray(scores, dtype=np.float64)
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [values[rng.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    )
    return _bootstrapped(float(values.mean()), drawn, len(values))


def weighted_f1(items: Sequence[Labelled], *, seed: int, by_group: bool = False) -> Estimate:
    """F1 of each label weighted by how often it is right, as scikit-learn's `average="weighted"`.

    Args:
        items: Right and given labels.
        seed: Of the bootstrap.
        by_group: The mean of the groups' scores, as AdaptLLM takes it over Headline's nine classes.
    """
    groups = (lambda item: item.group) if by_group else (lambda _: "")
    return _of_counts(items, groups, _weighted_f1, seed)


def _of_counts(
    items: Sequence[Labelled],
    group_of: Callable[[Labelled], str],
    statistic: Callable[[Floats], Floats],
    seed: int,
) -> Estimate:
    """The mean over groups of a statistic of confusion counts, with its bootstrap interval."""
    if not items:
        return _undefined("bootstrap")
    labels = {
        name: n for n, name in enumerate(sorted({x for i in items for x in (i.gold, i.answer)}))
    }
    cells = Counter((group_of(item), labels[item.gold], labels[item.answer]) for item in items)
    places = sorted(cells)
    counts = np.array([cells[place] for place in places], dtype=np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(items), counts / counts.sum(), size=RESAMPLES)
    tables = np.vstack([counts, drawn.astype(np.float64)])
    parts = []
    for group in sorted({place[0] for place in places}):
        confusion = np.zeros((len(tables), len(labels), len(labels)))
        for column, (name, gold, answer) in enumerate(places):
            if name == group:
                confusion[:, gold, answer] = tables[:, column]
        parts.append(statistic(confusion))
    values = np.nanmean(np.stack(parts), axis=0)
    return _bootstrapped(float(values[0]), values[1:], len(items))


def _weighted_f1(confusion: Floats) -> Floats:
    """[tables, labels, labels] to [tables]; a table without items has none (NaN)."""
    hits = np.einsum("tll->tl", confusion)
    support, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    both = support + answered
    f1 = np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)
    total = support.sum(axis=1)
    weighted: Floats = np.divide(
        (f1 * support).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0
    )
    return weighted


def _bootstrapped(value: float, drawn: Floats, n: int) -> Estimate:
    low, high = np.quantile(drawn[np.isfinite(drawn)], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high), n, "bootstrap")


def _undefined(method: str) -> Estimate:
    return Estimate(None, None, None, 0, method, "no item was scored")
