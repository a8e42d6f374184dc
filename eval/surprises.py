"""What stands behind a comparison: how much of a gap is closed, and where a ranking surprises.

Text that a machine made from a template should rank below what people wrote. Where it does not, the
reason is looked for in the texts and told: boilerplate, near-duplicates, one narrow field.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metasynth.randomness import derive_seed

from .comparison import Cell, Comparison, Interval, Measured
from .metric import METRICS

_RESAMPLES = 2000
_FIELD_SHARE = 0.15  # of the texts that hold a word which others do not
_LEAST_SHARE = 0.05  # of the texts that share something, for it to be told


class Closed(NamedTuple):
    """The share of the way from the template to the real corpora that a corpus has gone.

    Attributes:
        share: 0 at the template, 1 at the real ones; None where it is not defined.
        interval: 95 %, by resampling the draws.
        reason: Why there is none.
    """

    share: float | None
    interval: Interval | None
    reason: str = ""


def gap_closed(comparison: Comparison, name: str, metric: str, *, seed: int = 0) -> Closed:
    """(x - template) / (real - template) of one corpus by one metric.

    Several corpora of a role count with their mean.
    Not defined where a value is missing, or where the real corpora are not more diverse than the
    templates beyond the draws' spread: a share of such a gap means nothing.
    """
    sides = {
        role: [one.cells[metric] for one in comparison.corpora if one.role == role]
        for role in ("template", "real")
    }
    own = next(one.cells[metric] for one in comparison.corpora if one.name == name)
    cells = [own, *sides["template"], *sides["real"]]
    if not sides["template"] or not sides["real"]:
        return Closed(None, None, "it takes a template and a real corpus")
    missing = next((cell.reason for cell in cells if cell.mean is None), "")
    if missing:
        return Closed(None, None, missing)
    rng = np.random.default_rng(derive_seed(seed, "gap closed", metric))
    x, template, real = (
        _resampled(group, rng) for group in ([own], sides["template"], sides["real"])
    )
    gap = real - template
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    if float(np.quantile(sign * gap[1:], 0.025)) <= 0:
        return Closed(None, None, "the real texts are not more diverse than the template's")
    gapped = gap != 0  # some resamples of few draws have no gap, and so no share of it
    shares = (x - template)[gapped] / gap[gapped]
    low, high = np.quantile(shares[1:], [0.025, 0.975])
    several = min(len(cell.values) for cell in cells) > 1
    return Closed(float(shares[0]), (float(low), float(high)) if several else None)


def _resampled(cells: Sequence[Cell], rng: np.random.Generator) -> np.ndarray:
    """The mean of the cells' draws, and of resamples of them, [1 + resamples]."""
    columns = []
    for cell in cells:
        values = np.array(cell.values)
        picks = rng.integers(len(values), size=(_RESAMPLES, len(values)))
        columns.append(np.concatenate([[values.mean()], values[picks].mean(axis=1)]))
    return np.asarray(np.mean(columns, axis=0))


def surprises(comparison: Comparison) -> list[str]:
    """Where a template ranks above, or level with, a real corpus, by which metrics, and why.

    One sentence for each such pair; with templates and real corpora, and none where every metric
    ranks every template below, that is said too.
    """
    templates = [one for one in comparison.corpora if one.role == "template"]
    reals = [one for one in comparison.corpora if one.role == "real"]
    if not templates or not reals:
        return []
    told = []
    for real in reals:
        for template in templates:
            above, level = _against(template, real)
            if above or level:
                told.append(_sentence(template, real, above, level))
    return told or ["every template ranks below every real corpus by every metric that is defined"]


def _against(template: Measured, real: Measured) -> tuple[list[str], list[str]]:
    """The metrics by which the template is more diverse, and those that do not tell them apart."""
    above, level = [], []
    for metric, spec in METRICS.items():
        one, other = template.cells[metric], real.cells[metric]
        if one.mean is None or other.mean is None:
            continue
        sign = 1.0 if spec.better == "higher" else -1.0
        lead = sign * (one.mean - other.mean)
        if _overlap(one, other):
            level.append(metric)
        elif lead > 0:
            above.append(metric)
    return above, level


def _overlap(one: Cell, other: Cell) -> bool:
    ranges = [cell.interval or (min(cell.values), max(cell.values)) for cell in (one, other)]
    return ranges[0][0] <= ranges[1][1] and ranges[1][0] <= ranges[0][1]


def _sentence(
    template: Measured, real: Measured, above: Sequence[str], level: Sequence[str]
) -> str:
    parts = []
    if above:
        parts.append(
            f"{template.name} (template) ranks above {real.name} (real) by {_titles(above)}"
        )
    if level:
        start = (
            "no difference from" if above else f"{template.name} (template) does not differ from"
        )
        end = "it" if above else f"{real.name} (real)"
        parts.append(f"{start} {end} beyond the intervals by {_titles(level)}")
    told = "; ".join(parts)
    if not above:
        return f"{told}; by every other metric it ranks below"
    families = sorted({METRICS[metric].family for metric in above})
    why = [reason for family in families for reason in _reasons(real, family)]
    found = "; ".join(why) or "nothing that is looked for: read some texts of both"
    return f"{told}. What may explain it in {real.name}: {found}"


def _titles(metrics: Sequence[str]) -> str:
    return ", ".join(METRICS[metric].title for metric in metrics)


def _reasons(one: Measured, family: str) -> list[str]:
    if family == "vectors":
        shared = [f"{word} ({share:.0%})" for word, share in one.about if share >= _FIELD_SHARE]
        told = f"words that many of its texts and few of the others hold: {', '.join(shared)}"
        return [told] if shared else []
    if family != "words":
        return []
    found = []
    n = one.cells["compression_ratio"].first.n
    if one.phrases and one.phrases[0][1] >= _LEAST_SHARE * n:
        phrase, count = one.phrases[0]
        found.append(f"boilerplate: {count / n:.0%} of its texts share the words '{phrase}'")
    if one.peculiar:
        marks = ", ".join(f"'{word}' ({share:.1%})" for word, share in one.peculiar)
        found.append(f"of its words, split at blanks, many are {marks}, which the others lack")
    near = one.cells["near_duplicate_rate"].mean
    if near is not None and near >= _LEAST_SHARE:
        found.append(f"{near:.0%} of its texts nearly equal another one")
    commonest = one.cells["opening_entropy"].first.detail.get("commonest")
    if isinstance(commonest, list) and commonest and commonest[0][1] >= _LEAST_SHARE * n:
        found.append(f"{commonest[0][1] / n:.0%} begin with '{commonest[0][0]}'")
    return found
