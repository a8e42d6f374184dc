"""Charts as SVG: small multiples of curves, and the strip that sets a metric's values side by side.

Colours are classes of the style sheet, so that one drawing serves light and dark.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from markupsafe import Markup

from .data import Chart, MetricRow, MetricValue, Point, Series
from .numbers import value
from .scales import Scale, spanning, tick_labels, ticks
from .text import visible

_WIDTH, _HEIGHT = 340, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 34
_STRIP_WIDTH, _STRIP_HEIGHT = 220, 22
_MOST_POINTS = 400
_MOST_DOTS = 12  # on a line: with more they hide it


def _svg(template: str, *values: object) -> Markup:
    """A piece of a drawing; texts in it are escaped, and hold nothing that acts on the page."""
    shown = (
        visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        for value in values
    )
    return Markup(template).format(*shown)  # noqa: S704 - templates are of this file


class _Frame(NamedTuple):
    x: Scale
    y: Scale


def chart(data: Chart) -> Markup:
    """A chart: each series is a line or dots, with error bars where a point has an interval."""
    drawn = [_thinned(series) for series in data.series if series.points]
    points = [point for series in drawn for point in series.points]
    if not points:
        return Markup("")
    heights = [y for point in points for y in (point.y, point.low, point.high) if y is not None]
    frame = _Frame(
        spanning((point.x for point in points), _LEFT, _WIDTH - _RIGHT, margin=0.02),
        spanning(heights, _HEIGHT - _BOTTOM, _TOP, margin=0.06),
    )
    parts = [
        _axes(data, frame),
        *(_series(series, number, frame) for number, series in enumerate(drawn)),
    ]
    label = f"{data.title}: " + "; ".join(_description(series) for series in drawn)
    return _svg(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        _WIDTH,
        _HEIGHT,
        label,
        Markup("").join(parts),
    )


def _thinned(series: Series) -> Series:
    """Every n-th point of a long series, the last one kept."""
    step = -(-len(series.points) // _MOST_POINTS)
    if step <= 1:
        return series
    points = (*series.points[:-1:step], series.points[-1])
    return replace(series, points=points)


def _description(series: Series) -> str:
    first, last = series.points[0], series.points[-1]
    ends = (f"{value(point.y)} at {_step(point.x)}" for point in (first, last))
    return f"{series.label} from {' to '.join(ends)}"


def _axes(data: Chart, frame: _Frame) -> Markup:
    parts = []
    floor = _HEIGHT - _BOTTOM
    across = ticks(frame.x.low, frame.x.high, 5)
    for number, label in zip(across, tick_labels(across), strict=True):
        parts.append(
            _svg(
                '<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>',
                frame.x(number),
                floor + 14,
                label,
            )
        )
    upward = ticks(frame.y.low, frame.y.high, 4)
    for number, label in zip(upward, tick_labels(upward), strict=True):
        parts.append(
            _svg(
                '<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>'
                '<text class="tick" x="{3}" y="{4:.1f}" text-anchor="end">{5}</text>',
                _LEFT,
                _WIDTH - _RIGHT,
                frame.y(number),
                _LEFT - 6,
                frame.y(number) + 3.5,
                label,
            )
        )
    parts.append(
        _svg(
            '<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>',
            _WIDTH - _RIGHT,
            _HEIGHT - 4,
            data.x,
        )
    )
    return Markup("").join(parts)


def _series(series: Series, number: int, frame: _Frame) -> Markup:
    places = [(frame.x(point.x), frame.y(point.y)) for point in series.points]
    parts = [_bars(series.points, frame)]
    if series.kind == "line":
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(_svg('<polyline class="line" points="{}"/>', path))
    has_dots = series.kind != "line" or (len(places) <= _MOST_DOTS and not series.quiet)
    radius = 2.6 if has_dots else 0.0
    if radius:
        parts.extend(
            _svg(
                '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>',
                "ring" if series.kind == "rings" else "dot",
                x,
                y,
                radius,
                f"{series.label}: {value(point.y, 4)} at {_step(point.x)}",
            )
            for point, (x, y) in zip(series.points, places, strict=True)
        )
    return _svg('<g class="series {}">{}</g>', tone(series, number), Markup("").join(parts))


def _step(x: float) -> str:
    return f"{x:,.0f}" if float(x).is_integer() else value(x)


def tone(series: Series, number: int) -> str:
    """The class that gives the series its colour."""
    return "quiet" if series.quiet else f"s{number % 5}"


def _bars(points: Sequence[Point], frame: _Frame) -> Markup:
    bars = (
        _svg(
            '<line class="error" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>',
            frame.x(point.x),
            frame.y(point.low),
            frame.y(point.high),
        )
        for point in points
        if point.low is not None and point.high is not None
    )
    return Markup("").join(bars)


def strip(row: MetricRow, roles: Sequence[tuple[str, str]]) -> Markup:
    """The values of a metric on one line, the more diverse end to the right.

    Args:
        roles: Labels of the corpora with their roles; the last is drawn on top.
    """
    cells = [(label, role, row.values[label]) for label, role in roles if label in row.values]
    cells = [(label, role, cell) for label, role, cell in cells if cell.value is not None]
    if not cells:
        return Markup("")
    numbers = [
        n for _, _, cell in cells for n in (cell.value, *(cell.interval or ())) if n is not None
    ]
    scale = spanning(numbers, 10, _STRIP_WIDTH - 10)
    if row.better == "lower":
        scale = Scale(scale.low, scale.high, scale.end, scale.start)
    marks = Markup("").join(_mark(label, role, cell, scale) for label, role, cell in cells)
    description = ", ".join(f"{label} {value(cell.value)}" for label, _, cell in cells)
    return _svg(
        '<svg class="strip" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">'
        '<line class="grid" x1="0" x2="{0}" y1="{3}" y2="{3}"/>{4}</svg>',
        _STRIP_WIDTH,
        _STRIP_HEIGHT,
        description,
        _STRIP_HEIGHT / 2,
        marks,
    )


def _mark(label: str, role: str, cell: MetricValue, scale: Scale) -> Markup:
    assert cell.value is not None
    x, y = scale(cell.value), _STRIP_HEIGHT / 2
    parts = []
    if cell.interval is not None:
        parts.append(
            _svg(
                '<line class="range" x1="{0:.1f}" x2="{1:.1f}" y1="{2}" y2="{2}"/>',
                scale(cell.interval[0]),
                scale(cell.interval[1]),
                y,
            )
        )
    parts.append(shape(role, x, y))
    title = _svg("<title>{}</title>", f"{label}: {value(cell.value, 4)}")
    return _svg('<g class="mark {}">{}{}</g>', role, title, Markup("").join(parts))


def shape(mark: str, x: float, y: float, size: float = 4.5) -> Markup:
    """The mark of a side: dot for the run, triangle for real texts, cross for what was rejected,
    ring, square and diamond for baselines."""
    if mark in ("seeds", "rejected", "baseline b1", "baseline b2"):
        return _svg('<path class="shape" d="{}"/>', _outline(mark, x, y, 0.85 * size))
    return _svg('<circle class="shape" cx="{:.1f}" cy="{:.1f}" r="{}"/>', x, y, size)


def _outline(mark: str, x: float, y: float, reach: float) -> str:
    left, right, top, bottom = (f"{n:.1f}" for n in (x - reach, x + reach, y - reach, y + reach))
    if mark == "rejected":
        return f"M{left},{top}L{right},{bottom}M{left},{bottom}L{right},{top}"
    if mark == "baseline b1":
        return f"M{left},{top}H{right}V{bottom}H{left}Z"
    if mark == "baseline b2":
        upper, lower = y - 1.3 * reach, y + 1.3 * reach
        return f"M{x:.1f},{upper:.1f}L{right},{y:.1f}L{x:.1f},{lower:.1f}L{left},{y:.1f}Z"
    return f"M{x:.1f},{top}L{left},{bottom}H{right}Z"


def key_mark(role: str) -> Markup:
    """The mark of a role for a legend."""
    return _svg(
        '<svg class="key mark {}" viewBox="0 0 12 12" aria-hidden="true">{}</svg>',
        role,
        shape(role, 6, 6),
    )
