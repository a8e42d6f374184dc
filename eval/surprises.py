"""Where a ranking surprises: a template's text above real text, or level with it, and why.

Text that a machine made from a template should rank below what people wrote. Where it does not, the
reason is looked for in the texts and told: boilerplate, near-duplicates, one narrow field.
"""

from collections.abc import Mapping, Sequence

from .comparison import Comparison, MeasuredCorpus, MetricSummary
from .metric import Metric

_FIELD_SHARE = 0.15  # of the texts that hold a word which others do not
_LEAST_SHARE = 0.05  # of the texts that share something, for it to be told


def surprises(comparison: Comparison) -> list[str]:
    """Where a template ranks above, or level with, a real corpus, by which metrics, and why.

    One sentence for each such pair; with templates and real corpora, and none where every metric
    ranks every template below, that is said too.
    """
    templates = [corpus for corpus in comparison.corpora if corpus.role == "template"]
    reals = [corpus for corpus in comparison.corpora if corpus.role == "real"]
    if not templates or not reals:
        return []
    metrics = comparison.metrics
    sentences = []
    for real in reals:
        for template in templates:
            above, level = _against(template, real, metrics)
            if above or level:
                sentences.append(_sentence(template, real, above, level))
    return sentences or [
        "every template ranks below every real corpus by every metric that is defined"
    ]


def _against(
    template: MeasuredCorpus, real: MeasuredCorpus, metrics: Mapping[str, Metric]
) -> tuple[list[Metric], list[Metric]]:
    """The metrics by which the template is more diverse, and those that do not tell them apart."""
    above, level = [], []
    for name, metric in metrics.items():
        first, second = template.metrics[name], real.metrics[name]
        if first.mean is None or second.mean is None:
            continue
        sign = 1.0 if metric.better == "higher" else -1.0
        if _overlap(first, second):
            level.append(metric)
        elif sign * (first.mean - second.mean) > 0:
            above.append(metric)
    return above, level


def _overlap(first: MetricSummary, second: MetricSummary) -> bool:
    ranges = [
        summary.interval or (min(summary.values), max(summary.values))
        for summary in (first, second)
    ]
    return ranges[0][0] <= ranges[1][1] and ranges[1][0] <= ranges[0][1]


def _sentence(
    template: MeasuredCorpus,
    real: MeasuredCorpus,
    above: Sequence[Metric],
    level: Sequence[Metric],
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
    sentence = "; ".join(parts)
    if not above:
        return f"{sentence}; by every other metric it ranks below"
    families = sorted({metric.family for metric in above})
    reasons = [reason for family in families for reason in _reasons(real, family)]
    why = "; ".join(reasons) or "nothing that is looked for: read some texts of both"
    return f"{sentence}. What may explain it in {real.name}: {why}"


def _titles(metrics: Sequence[Metric]) -> str:
    return ", ".join(metric.title for metric in metrics)


def _reasons(corpus: MeasuredCorpus, family: str) -> list[str]:
    if family == "vectors":
        shared = [f"{word} ({share:.0%})" for word, share in corpus.about if share >= _FIELD_SHARE]
        field = f"words that many of its texts and few of the others hold: {', '.join(shared)}"
        return [field] if shared else []
    if family != "words":
        return []
    reasons = []
    n = corpus.metrics["compression_ratio"].first.n
    if corpus.phrases and corpus.phrases[0][1] >= _LEAST_SHARE * n:
        phrase, count = corpus.phrases[0]
        reasons.append(f"boilerplate: {count / n:.0%} of its texts share the words '{phrase}'")
    if corpus.peculiar:
        marks = ", ".join(f"'{word}' ({share:.1%})" for word, share in corpus.peculiar)
        reasons.append(f"of its words, split at blanks, many are {marks}, which the others lack")
    near = corpus.metrics["near_duplicate_rate"].mean
    if near is not None and near >= _LEAST_SHARE:
        reasons.append(f"{near:.0%} of its texts nearly equal another one")
    commonest = corpus.metrics["opening_entropy"].first.detail.get("commonest")
    if isinstance(commonest, list) and commonest and commonest[0][1] >= _LEAST_SHARE * n:
        reasons.append(f"{commonest[0][1] / n:.0%} begin with '{commonest[0][0]}'")
    return reasons
