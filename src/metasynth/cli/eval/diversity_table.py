"""The table of `eval diversity`: a row a metric, a column a corpus, what is undefined with why."""

import textwrap
from collections.abc import Mapping, Sequence

from metasynth.cli.screen.terminal import tell
from metasynth.eval.comparison import Comparison, MetricSummary
from metasynth.eval.gap import ClosedGap

_ARROWS = {"higher": "↑", "lower": "↓"}
_WIDTH = 100


def print_comparison(
    comparison: Comparison,
    closed: Mapping[tuple[str, str], ClosedGap],
    notes: Sequence[str],
    surprises: Sequence[str],
) -> None:
    """Print all of it."""
    corpora = comparison.corpora
    several = "draw" if comparison.draws == 1 else "draws"
    tell(
        f"{comparison.records:,} texts and {comparison.words:,} words a draw, "
        f"{comparison.draws} {several} of each corpus; mean ± half of the 95 % interval"
    )
    tell("↑: more is more diverse; ↓: less is")
    tell()
    rows = [["", *(corpus.name for corpus in corpora)]]
    if any(corpus.role != "candidate" for corpus in corpora):
        rows.append(["", *(f"({corpus.role})" for corpus in corpora)])
    reasons: dict[str, list[str]] = {}
    for name, metric in comparison.metrics.items():
        summaries = [corpus.metrics[name] for corpus in corpora]
        for summary in summaries:
            if summary.reason and metric.title not in reasons.setdefault(summary.reason, []):
                reasons[summary.reason].append(metric.title)
        if any(summary.mean is not None for summary in summaries):
            rows.append([f"{metric.title} {_ARROWS[metric.better]}", *map(_value, summaries)])
    for line in _aligned(rows):
        tell(line)
    if closed:
        _print_closed(comparison, closed)
    _print_list("not defined", [f"{', '.join(names)}: {why}" for why, names in reasons.items()])
    _print_list("mind", notes)
    _print_list("where templates do not rank below real texts", surprises)


def _value(summary: MetricSummary) -> str:
    if summary.mean is None:
        return "–"
    if summary.interval is None:
        return _digits(summary.mean)
    return f"{_digits(summary.mean)} ± {_digits((summary.interval[1] - summary.interval[0]) / 2)}"


def _digits(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def _print_closed(comparison: Comparison, closed: Mapping[tuple[str, str], ClosedGap]) -> None:
    corpora = [corpus.name for corpus in comparison.corpora if corpus.role == "candidate"]
    rows = [["", *corpora]]
    for name, metric in comparison.metrics.items():
        gaps = [closed[corpus, name] for corpus in corpora]
        if any(gap.share is not None for gap in gaps):
            rows.append([metric.title, *map(_share, gaps)])
    tell()
    tell("share of the gap from template to real that is closed, with its 95 % interval")
    if len(rows) == 1:
        tell("  by no metric: the real texts are not more diverse than the template's")
    else:
        for line in _aligned(rows):
            tell(line)


def _share(gap: ClosedGap) -> str:
    if gap.share is None:
        return "–"
    if gap.interval is None:
        return f"{gap.share:.0%}"
    return f"{gap.share:.0%} [{gap.interval[0]:.0%}, {gap.interval[1]:.0%}]"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _print_list(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    tell()
    tell(title)
    for line in lines:
        for part in textwrap.wrap(line, _WIDTH, initial_indent="  - ", subsequent_indent="    "):
            tell(part)
