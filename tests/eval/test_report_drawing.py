"""Scales, ticks, strips and numbers of a report's charts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.eval.report.data import Chart, Cost, MetricRow, MetricValue, Point, Series, Side
from metasynth.eval.report.html import render_report
from tests.eval.test_report import report

FINITE = st.floats(-1e9, 1e9)


def drawn(*series: Series) -> str:
    page = render_report(report(charts=(Chart("A chart", "step", "nats", series),)))
    found = re.search(r'<svg class="chart".*?</svg>', page, re.DOTALL)
    return found[0] if found else ""


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20))
def test_every_point_lies_inside_its_chart(points: list[tuple[float, float]]) -> None:
    svg = drawn(Series("s", tuple(Point(x, y) for x, y in points), kind="dots"))
    places = re.findall(r'cx="([-\d.]+)" cy="([-\d.]+)"', svg)
    assert len(places) == len(points)
    assert all(0 <= float(x) <= 340 and 0 <= float(y) <= 200 for x, y in places)


@given(FINITE, st.floats(1e-6, 1e9))
def test_ticks_are_few_and_increase(low: float, width: float) -> None:
    svg = drawn(Series("s", (Point(0, low), Point(1, low + width))))
    heights = [float(y) for y in re.findall(r'class="grid" x1="44" x2="328" y1="([-\d.]+)"', svg)]
    assert len(heights) <= 6
    assert heights == sorted(heights, reverse=True)


def test_a_chart_without_points_is_not_drawn() -> None:
    assert drawn(Series("s", ())) == ""


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    points = tuple(Point(x, x / 7) for x in range(10_000))
    path = re.search(r'<polyline class="line" points="([^"]*)"', drawn(Series("s", points)))
    assert path is not None
    assert len(path[1].split()) <= 402
    assert "from 0 at 0 to 1,428 at 9,999" in drawn(Series("s", points))


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_more_diverse_one_is_to_the_right(better: str) -> None:
    cells = {"mine": MetricValue(2.0, (1.9, 2.1)), "other": MetricValue(1.0, (0.9, 1.1))}
    row = MetricRow("a", "a", better, "", cells)  # type: ignore[arg-type]
    strip = re.search(r'<svg class="strip".*?</svg>', render_report(report(metrics=(row,))))
    assert strip is not None
    places = dict(
        re.findall(r'class="mark (\w+)[ \w]*"><title>[^<]*</title>.*?cx="([\d.]+)"', strip[0])
    )
    assert (float(places["run"]) > float(places["baseline"])) == (better == "higher")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.42, "0.4 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (104, "1 min 44 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_times_have_two_units_at_most(seconds: float, told: str) -> None:

    cost = Cost(1, 1, 1, 1.0, busy_seconds=seconds)
    assert f"<dd>{told}" in render_report(report(sides=(Side("mine", "run", 0, cost=cost),)))


def test_baselines_have_marks_of_their_own_whatever_their_names() -> None:
    sides = [Side("mine", "run", 2, cost=Cost(0, 0, 0, 0.0))]
    sides += [Side(name, "baseline", 2) for name in ("run", "seeds", "other")]
    cells = {side.label: MetricValue(1.0, (0.5, 1.5)) for side in sides}
    row = MetricRow("a", "a", "higher", "", cells)
    strip = re.search(
        r'<svg class="strip".*?</svg>', render_report(report(sides=tuple(sides), metrics=(row,)))
    )
    assert strip is not None
    marks = re.findall(r'class="mark ([\w ]+)"><title>(\w+):', strip[0])
    assert {name: mark for mark, name in marks} == {
        "mine": "run",
        "run": "baseline b0",
        "seeds": "baseline b1",
        "other": "baseline b2",
    }
