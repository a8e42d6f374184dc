"""The share of the gap between template text and real text that a corpus has closed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metasynth.randomness import derive_seed

from .comparison import Comparison, MetricSummary
from .intervals import Bounds
from .metric import METRICS

_RESAMPLES = 2000


class ClosedGap(NamedTuple):
    """The share of the way from the template to the real corpora that a corpus has gone.

    Attributes:
        share: 0 at the template, 1 at the real ones; None where it is not defined.
        interval: 95 %, by resampling the draws.
        reason: Why there is none.
    """

    share: float | None
    interval: Bounds | None
    reason: str = ""


def gap_closed(comparison: Comparison, name: str, metric: str, *, seed: int = 0) -> ClosedGap:
    """(x - template) / (real - template) of one corpus by one metric.

    Several corpora of a role count with their mean.
    Not defined where a value is missing, or where the real corpora are not more diverse than the
    templates beyond the draws' spread: a share of such a gap means nothing.
    """
    sides = {
        role: [corpus.metrics[metric] for corpus in comparison.corpora if corpus.role == role]
        for role in ("template", "real")
    }
    own = next(corpus.metrics[metric] for corpus in comparison.corpora if corpus.name == name)
    summaries = [own, *sides["template"], *sides["real"]]
    if not sides["template"] or not sides["real"]:
        return ClosedGap(None, None, "it takes a template and a real corpus")
    missing = next((summary.reason for summary in summaries if summary.mean is None), "")
    if missing:
        return ClosedGap(None, None, missing)
    rng = np.random.default_rng(derive_seed(seed, "gap closed", metric))
    x, template, real = (
        _resampled(group, rng) for group in ([own], sides["template"], sides["real"])
    )
    gap = real - template
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    if float(np.quantile(sign * gap[1:], 0.025)) <= 0:
        return ClosedGap(None, None, "the real texts are not more diverse than the template's")
    gapped = gap != 0  # some resamples of few draws have no gap, and so no share of it
    shares = (x - template)[gapped] / gap[gapped]
    low, high = np.quantile(shares[1:], [0.025, 0.975])
    several = min(len(summary.values) for summary in summaries) > 1
    return ClosedGap(float(shares[0]), (float(low), float(high)) if several else None)


def _resampled(summaries: Sequence[MetricSummary], rng: np.random.Generator) -> np.ndarray:
    """The mean of the summaries' draws, and of resamples of them, [1 + resamples]."""
    columns = []
    for summary in summaries:
        values = np.array(summary.values)
        picks = rng.integers(len(values), size=(_RESAMPLES, len(values)))
        columns.append(np.concatenate([[values.mean()], values[picks].mean(axis=1)]))
    return np.asarray(np.mean(columns, axis=0))
