"""Which of two corpora a metric calls the more diverse one, and what all metrics say together."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from .data import MetricRow, MetricValue, Report
from .numbers import plural

Verdict = Literal["more", "less", "unclear", "void", "undefined"]

WORDS: dict[Verdict, str] = {
    "more": "more diverse",
    "less": "less diverse",
    "unclear": "no clear difference",
    "void": "too small to tell",
    "undefined": "not comparable",
}


def verdict(row: MetricRow, label: str, other: str) -> Verdict:
    """What the metric says of the corpus `label` beside `other`.

    Without an interval on both sides nothing is clear; with them, the two must not overlap.
    """
    own, theirs = row.values.get(label), row.values.get(other)
    if own is None or theirs is None or own.value is None or theirs.value is None:
        return "undefined"
    if row.void:
        return "void"
    if own.interval is None or theirs.interval is None or _overlap(own, theirs):
        return "unclear"
    return "more" if (own.value > theirs.value) == (row.better == "higher") else "less"


def _overlap(first: MetricValue, second: MetricValue) -> bool:
    assert first.interval is not None and second.interval is not None
    return first.interval[0] <= second.interval[1] and second.interval[0] <= first.interval[1]


def tally(rows: Sequence[MetricRow], label: str, other: str) -> Counter[Verdict]:
    """How many metrics say what."""
    return Counter(verdict(row, label, other) for row in rows)


def report_sentence(report: Report) -> str:
    """Whether the run is more diverse than what it stands beside, in one sentence."""
    if not report.metrics:
        return f"Diversity was not measured: {report.metrics_reason or 'nothing was there'}."
    if report.reference is None:
        return "No baseline stands beside it: add --baseline DIR to see whether it is diverse."
    run, other = report.run.label, report.reference.label
    counts = tally(report.metrics, run, other)
    sound = counts["more"] + counts["less"] + counts["unclear"]
    if not sound:
        return f"Too small to say whether it is more diverse than {other}."
    parts = [f"More diverse than {other} on {counts['more']} of {plural(sound, 'metric')}"]
    if counts["less"]:
        parts.append(f"less on {counts['less']}")
    if counts["unclear"]:
        parts.append(f"no clear difference on {counts['unclear']}")
    return ", ".join(parts) + "."


def doubts(report: Report) -> list[str]:
    """What makes a comparison void, as sentences."""
    if report.reference is None:
        return []
    return [
        f"{warning[:1].upper()}{warning[1:]}."
        for warning in report.warnings
        if warning.startswith("void")
    ]
