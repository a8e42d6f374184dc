"""The table of `eval diversity`: a row a metric, a column a corpus, what is undefined with why."""

import textwrap
from collections.abc import Mapping, Sequence

from metasynth.cli.screen.terminal import tell
from metasynth.eval.comparison import Cell, Comparison
from metasynth.eval.metric import METRICS
from metasynth.eval.surprises import Closed

_ARROWS = {"higher": "↑", "lower": "↓"}
_WIDTH = 100


def tell_comparison(
    comparison: Comparison,
    closed: Mapping[tuple[str, str], Closed],
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
    rows = [["", *(one.name for one in corpora)]]
    if any(one.role != "candidate" for one in corpora):
        rows.append(["", *(f"({one.role})" for one in corpora)])
    reasons: dict[str, list[str]] = {}
    for metric, spec in METRICS.items():
        cells = [one.cells[metric] for one in corpora]
        for cell in cells:
            if cell.reason and spec.title not in reasons.setdefault(cell.reason, []):
                reasons[cell.reason].append(spec.title)
        if any(cell.mean is not None for cell in cells):
            rows.append([f"{spec.title} {_ARROWS[spec.better]}", *map(_value, cells)])
    for line in _aligned(rows):
        tell(line)
    if closed:
        _tell_closed(comparison, closed)
    _tell_list("not defined", [f"{', '.join(names)}: {why}" for why, names in reasons.items()])
    _tell_list("mind", notes)
    _tell_list("where templates do not rank below real texts", surprises)


def _value(cell: Cell) -> str:
    if cell.mean is None:
        return "–"
    if cell.interval is None:
        return _digits(cell.mean)
    return f"{_digits(cell.mean)} ± {_digits((cell.interval[1] - cell.interval[0]) / 2)}"


def _digits(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def _tell_closed(comparison: Comparison, closed: Mapping[tuple[str, str], Closed]) -> None:
    names = [one.name for one in comparison.corpora if one.role == "candidate"]
    rows = [["", *names]]
    for metric, spec in METRICS.items():
        found = [closed[name, metric] for name in names]
        if any(one.share is not None for one in found):
            rows.append([spec.title, *map(_share, found)])
    tell()
    tell("share of the gap from template to real that is closed, with its 95 % interval")
    if len(rows) == 1:
        tell("  by no metric: the real texts are not more diverse than the template's")
    else:
        for line in _aligned(rows):
            tell(line)


def _share(found: Closed) -> str:
    if found.share is None:
        return "–"
    if found.interval is None:
        return f"{found.share:.0%}"
    return f"{found.share:.0%} [{found.interval[0]:.0%}, {found.interval[1]:.0%}]"


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


def _tell_list(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    tell()
    tell(title)
    for line in lines:
        for part in textwrap.wrap(line, _WIDTH, initial_indent="  - ", subsequent_indent="    "):
            tell(part)
