"""Which of two corpora a metric calls the more diverse one, and what all metrics say together."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from .report_data import MetricRow, Reading, Report
from .report_numbers import plural

Verdict = Literal["more", "less", "unclear", "undefined"]

WORDS: dict[Verdict, str] = {
    "more": "more diverse",
    "less": "less diverse",
    "unclear": "no clear difference",
    "undefined": "not comparable",
}


def verdict(row: MetricRow, label: str, other: str) -> Verdict:
    """What the metric says of the corpus `label` beside `other`.

    Without an interval on both sides nothing is clear but equality; with them, the two must not
    overlap.
    """
    one, two = row.cells.get(label), row.cells.get(other)
    if one is None or two is None or one.value is None or two.value is None:
        return "undefined"
    if one.interval is None or two.interval is None or _overlap(one, two):
        return "unclear"
    return "more" if (one.value > two.value) == (row.better == "higher") else "less"


def _overlap(one: Reading, two: Reading) -> bool:
    assert one.interval is not None and two.interval is not None
    return one.interval[0] <= two.interval[1] and two.interval[0] <= one.interval[1]


def tally(rows: Sequence[MetricRow], label: str, other: str) -> Counter[Verdict]:
    """How many metrics say what."""
    return Counter(verdict(row, label, other) for row in rows)


def report_sentence(report: Report) -> str:
    """Whether the run is more diverse than its first baseline, in one sentence."""
    if not report.metrics:
        return report.metrics_reason or "Nothing was measured."
    if not report.baselines:
        return "No baseline stands beside it, so nothing is claimed: give one with --baseline."
    run, other = report.run.label, report.baselines[0].label
    counts = tally(report.metrics, run, other)
    defined = counts.total() - counts["undefined"]
    if not defined:
        return f"No metric is defined for both {run} and {other}."
    parts = [
        f"more diverse than {other} on {counts['more']} of {plural(defined, 'metric')}",
        f"less on {counts['less']}",
        f"no clear difference on {counts['unclear']}",
    ]
    told = ", ".join(
        part
        for part, said in zip(parts, ("more", "less", "unclear"), strict=True)
        if said == "more" or counts[said]
    )  # type: ignore[index]
    return told[0].upper() + told[1:] + "."
