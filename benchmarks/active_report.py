"""The study's tables in Markdown and its curves as a drawing, from the results alone."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from xml.sax.saxutils import escape

from benchmarks.active_arms import CORE
from benchmarks.active_results import (
    NEVER,
    Run,
    area,
    curves,
    fidelity_of,
    mean_of,
    over_items,
    paired,
    rows_needed,
)
from metasynth.student.intervals import Interval

COLOURS = (
    "#000000",
    "#888888",
    "#d62728",
    "#ff9896",
    "#1f77b4",
    "#2ca02c",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#ff7f0e",
    "#17becf",
    "#bcbd22",
    "#7f7f00",
)
NOTE = """\
Accuracy on the test, mean over the starts. `static` has all rows from its first step on, so that a
column gives its steps and not its rows. Differences are paired by start, with 95 % bootstrap
intervals over the starts; with five of them such intervals are on the narrow side. `permuted` is a
control: the scores of `loss_self`, dealt out at random. `loss_matched` takes as many seeds of each
tenth by length. The last column is Wilson's interval of the final accuracy over the test items of
all starts: how sure the test is, beside how much starts differ."""
WIDTH, HEIGHT, MARGIN, LEGEND = 420, 320, 44, 130


def report(runs: Sequence[Run], arms: Sequence[str], pools: Sequence[str]) -> str:
    """All tables."""
    parts = [NOTE]
    for pool in pools:
        here = [arm for arm in arms if curves(runs, pool, arm)]
        if here:
            parts += [f"## Pool: {pool}", accuracies(runs, here, pool), gains(runs, here, pool)]
            parts += [picks(runs, here, pool)]
            parts += filter(None, [fidelities(runs, here, pool)])
    return "\n\n".join([*parts, "## Costs", costs(runs, arms), cpu_line(runs)])


def accuracies(runs: Sequence[Run], arms: Sequence[str], pool: str) -> str:
    """Accuracy by round, mean over the starts, and the area under the curve."""
    first = next(run for run in runs if run["pool"] == pool)
    rounds = [f"{one['rows']} rows" for one in first["rounds"]]
    lines = [_row("arm", "starts", *rounds, "area", "final, over items")]
    lines.append(_rule(len(rounds) + 4))
    for arm in arms:
        own = list(curves(runs, pool, arm).values())
        means = [fmean(column) for column in zip(*own, strict=True)]
        sure = over_items(runs, pool, arm)
        items = "" if sure is None else str(sure)
        told = [f"{one:.3f}" for one in (*means, area(means))]
        lines.append(_row(arm, len(own), *told, items))
    return "\n".join(lines)


def gains(runs: Sequence[Run], arms: Sequence[str], pool: str) -> str:
    """Paired differences from static and random, and the rows needed."""
    found = {arm: curves(runs, pool, arm) for arm in arms}
    lines = [
        _row(
            "arm",
            "final − static",
            "final − random",
            "area − random",
            "starts above random",
            "rows to static's final accuracy",
        ),
        _rule(6),
    ]
    rows = row_counts(runs, pool)
    for arm in arms:
        final = {name: {start: one[-1] for start, one in found[name].items()} for name in found}
        areas = {name: {start: area(one) for start, one in found[name].items()} for name in found}
        cells = [
            _difference(final, arm, "static"),
            _difference(final, arm, "random"),
            _difference(areas, arm, "random"),
            _above(final, arm, "random"),
            "",
        ]
        if arm != "static" and "static" in found:
            cells[-1] = _rows(rows_needed(rows, found[arm], found["static"]), rows[-1])
        lines.append(_row(arm, *cells))
    return "\n".join(lines)


def picks(runs: Sequence[Run], arms: Sequence[str], pool: str) -> str:
    """The share of the picks whose answer is noise, by round."""
    lines = [_row("arm", "share of picks that are noise, by round", "accuracy by skill, final")]
    lines.append(_rule(3))
    for arm in arms:
        noise = mean_of(runs, pool, arm, "noise")
        some = [
            one["rounds"][-1]["skills"] for one in runs if (one["pool"], one["arm"]) == (pool, arm)
        ]
        skills = {skill: fmean(one[skill] for one in some) for skill in some[0]}
        told = ", ".join(f"{skill} {value:.2f}" for skill, value in skills.items())
        lines.append(_row(arm, ", ".join(f"{one:.2f}" for one in noise) or "drawn at once", told))
    return "\n".join(lines)


def fidelities(runs: Sequence[Run], arms: Sequence[str], pool: str) -> str:
    """Whether scores of seeds tell those of what was written from them; "" where nothing says."""
    lines = [_row("arm", "score fidelity by set", "sets", "by point", "children"), _rule(5)]
    for arm in arms:
        if (found := fidelity_of(runs, pool, arm)) is not None:
            sets = len(found.cells)
            lines.append(_row(arm, found.by_set, sets, found.by_point, f"{found.pairs:,}"))
    return "\n".join(lines) if len(lines) > 2 else ""


def row_counts(runs: Sequence[Run], pool: str) -> list[int]:
    """Rows before the first round and after each."""
    return [one["rows"] for one in next(run for run in runs if run["pool"] == pool)["rounds"]]


def costs(runs: Sequence[Run], arms: Sequence[str]) -> str:
    """What choosing costs for 1,000 seeds: CPU seconds and tokens read or written."""
    lines = [_row("arm", "CPU seconds per 1,000 seeds", "tokens per 1,000 seeds"), _rule(3)]
    for arm in arms:
        rounds = [one for run in runs if run["arm"] == arm for one in run["rounds"][1:]]
        seeds = sum(one["seeds"] for one in rounds)
        if not seeds or arm == "static":
            continue
        seconds = sum(one["scoring_seconds"] for one in rounds) / seeds * 1000
        tokens = sum(one["scoring_tokens"] for one in rounds) / seeds * 1000
        lines.append(_row(arm, f"{seconds:.2f}", f"{tokens:,.0f}"))
    return "\n".join(lines)


def cpu_line(runs: Sequence[Run]) -> str:
    """The CPU time of all runs, and of those that the project's limit is about."""
    core = [run for run in runs if run["arm"] in CORE and run["pool"] != "checked"]
    told = [
        f"{name}: {len(some)} runs, {_cpu_minutes(some):.1f} CPU minutes, bases included."
        for name, some in (("core arms", core), ("all", runs))
    ]
    return " ".join(told)


def _cpu_minutes(runs: Sequence[Run]) -> float:
    bases = {run["start"]: run["base_cpu_seconds"] for run in runs}
    return float(sum(run["cpu_seconds"] for run in runs) + sum(bases.values())) / 60


def drawing(runs: Sequence[Run], arms: Sequence[str], pools: Sequence[str]) -> str:
    """Mean accuracy against rows, a panel for each pool, as SVG."""
    shown = [pool for pool in pools if any(curves(runs, pool, arm) for arm in arms)]
    width = WIDTH * len(shown) + LEGEND
    body = [line for n, pool in enumerate(shown) for line in _panel(runs, arms, pool, WIDTH * n)]
    body += _legend([arm for arm in arms if any(run["arm"] == arm for run in runs)], arms, width)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(body)}</svg>\n"
    )


def _panel(runs: Sequence[Run], arms: Sequence[str], pool: str, left: int) -> Iterator[str]:
    means = {
        arm: [fmean(column) for column in zip(*own.values(), strict=True)]
        for arm in arms
        if (own := curves(runs, pool, arm))
    }
    rows = row_counts(runs, pool)
    every = [value for curve in means.values() for value in curve]
    low, high = min(every) - 0.02, max(every) + 0.02

    def x(value: float) -> float:
        return left + MARGIN + (WIDTH - MARGIN - 12) * value / rows[-1]

    def y(value: float) -> float:
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low)

    yield f'<text x="{left + WIDTH / 2}" y="20" text-anchor="middle">pool: {escape(pool)}</text>'
    yield f'<text x="{left + WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">rows</text>'
    for value in (n / 20 for n in range(21)):
        if low <= value <= high:
            yield _line([(x(0), y(value)), (x(rows[-1]), y(value))], "#dddddd", 1)
            yield f'<text x="{x(0) - 4}" y="{y(value) + 4}" text-anchor="end">{value:.2f}</text>'
    for value in rows:
        yield f'<text x="{x(value)}" y="{y(low) + 16}" text-anchor="middle">{value}</text>'
    for arm, curve in means.items():
        colour = COLOURS[arms.index(arm) % len(COLOURS)]
        yield _line([(x(a), y(b)) for a, b in zip(rows, curve, strict=True)], colour, 2)


def _legend(shown: Sequence[str], arms: Sequence[str], width: int) -> Iterator[str]:
    for n, arm in enumerate(shown):
        top = MARGIN + 18 * n
        colour = COLOURS[arms.index(arm) % len(COLOURS)]
        left = width - LEGEND + 10
        yield _line([(left, top), (left + 20, top)], colour, 2)
        yield f'<text x="{left + 26}" y="{top + 4}">{escape(arm)}</text>'


def _line(points: Sequence[tuple[float, float]], colour: str, width: int) -> str:
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _difference(values: dict[str, dict[int, float]], arm: str, other: str) -> str:
    if arm == other or other not in values:
        return ""
    found = paired(values[arm], values[other])
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _above(values: dict[str, dict[int, float]], arm: str, other: str) -> str:
    if arm == other or other not in values:
        return ""
    starts = values[arm].keys() & values[other].keys()
    return f"{sum(values[arm][one] > values[other][one] for one in starts)} of {len(starts)}"


def _rows(needed: Interval, most: float) -> str:
    told = [f"{one:.0f}" if one < NEVER else f"> {most:.0f}" for one in needed]
    return f"{told[0]} [{told[1]}, {told[2]}]"


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _rule(columns: int) -> str:
    return "|---" * columns + "|"
