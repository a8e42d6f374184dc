"""The page of a report: safe whatever stands in it, honest about what is not defined."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.eval.report.data import (
    CellCounts,
    Chart,
    Cost,
    Count,
    Fact,
    MetricRow,
    MetricValue,
    Plane,
    Point,
    Report,
    Series,
    Side,
)
from metasynth.eval.report.html import render_report, report_metrics
from metasynth.eval.report.plane import project
from metasynth.eval.report.verdicts import report_sentence

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> "
    "\u202eevil\u2066 & \x07 {{ 7 * 7 }}"
)
COST = Cost(305, 24_821, 6_158, 104.2, busy_seconds=61.0, usd=None, usd_reason="no prices")


def metric(
    name: str, run: MetricValue, other: MetricValue, better: Any = "higher", **more: Any
) -> MetricRow:
    return MetricRow(name, name, better, "what it means", {"mine": run, "other": other}, **more)


def report(**changes: Any) -> Report:
    known = Report(
        name="mine",
        subject="gardens",
        graph="document",
        kinds={"document": 2},
        sides=(
            Side("mine", "run", 2, 1, words=120, cost=COST),
            Side("other", "baseline", 2, words=100, cost=COST),
            Side("seeds", "seeds", 3),
        ),
        metrics=(
            metric("a", MetricValue(2.0, (1.5, 2.5)), MetricValue(1.0, (0.5, 1.4))),
            metric("b", MetricValue(2.0, (1.5, 2.5)), MetricValue(1.0, (0.5, 1.4)), "lower"),
            metric("c", MetricValue(2.0, (1.0, 3.0)), MetricValue(1.0, (0.5, 1.4))),
            metric("d", MetricValue(None, None, "no text has a topic"), MetricValue(1.0)),
        ),
        metrics_reason="",
        comparison="equal draws",
        warnings=(),
        plane=Plane(((0.0, 1.0, "run", 0), (1.0, 0.0, "seeds", -1)), ("", "a seed"), (0.4, 0.2)),
        coverage=CellCounts("seeds", (Count("tulip", 2), Count("gravel", 0)), "how"),
        labels={"genres": (Count("riddle", 2), Count("notice", 0))},
        charts=(Chart("Loss", "step", "nats", (Series("loss", (Point(0, 2), Point(9, 1))),)),),
        student=(),
        rounds=(),
        rejects=(Count("too_close", 1),),
        refusals=(),
        agents={"conductor": COST, "editor": COST},
        records=({"id": "r1", "ok": True, "text": "A text.", "cost": [1, 2, 3, None]},),
        records_note="",
        stages=(),
        settings=(Fact("seed", "7"),),
        configuration="name: mine\n",
        versions={"metasynth": "0"},
        limits=("It is small.",),
    )
    return replace(known, **changes)


class Elements(HTMLParser):
    """Names and attributes of all elements, and the text of the scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data


def everywhere(text: str) -> Report:
    """A report with `text` in every place where a stranger's may stand."""
    cell, count = MetricValue(1.0, (0.5, 1.5)), Count(text, 1, text)
    cells = {text: cell, "o" + text: MetricValue(None, None, text)}
    row = MetricRow(text, text, "higher", text, cells, {text: text})
    sides = (Side(text, "run", 1, cost=COST), Side("o" + text, "baseline", 1, cost=COST))
    record = dict.fromkeys(("id", "text", "topic", "genre", "persona", "reason", "source"), text)
    return report(
        name=text,
        subject=text,
        kinds={text: 1},
        sides=sides,
        metrics=(row,),
        comparison=text,
        warnings=("void: " + text,),
        plane=Plane(((0.0, 1.0, text, -1), (1.0, 0.0, "run", 0)), (text, text), (0.4, 0.2)),
        coverage=CellCounts(text, (count, Count(text + "2", 0, text)), text),
        labels={"topics": (count,)},
        charts=(Chart(text, text, text, (Series(text, (Point(0, 1),)),), text, text),),
        student=(Fact(text, text),),
        rejects=(count,),
        refusals=(count,),
        agents={text: COST},
        records=({**record, "ok": True, "cost": [1, 2, 3, None], "path": [[text] * 7]},),
        records_note=text,
        stages=(Fact(text, text),),
        settings=(Fact(text, text),),
        configuration=text,
        versions={text: text},
        limits=(text,),
        created=(text, text),
    )


class TestStrangersTexts:
    def test_no_text_becomes_an_element_or_leaves_its_script(self) -> None:
        plain, hostile = (Elements(render_report(everywhere(t))) for t in ("plain", HOSTILE))
        assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]
        assert [set(attributes) for _, attributes in hostile.found] == [
            set(attributes) for _, attributes in plain.found
        ]
        assert len(hostile.scripts) == 2

    def test_the_data_come_back_as_they_were(self) -> None:
        elements = Elements(render_report(everywhere(HOSTILE)))
        assert json.loads(elements.scripts[0])["records"][0]["text"] == HOSTILE

    @given(st.text(st.characters(), max_size=60))
    def test_whatever_the_text(self, text: str) -> None:
        page = render_report(
            report(records=({"id": text, "text": text, "cost": [0, 0, 0, None]},), limits=(text,))
        )
        page.encode()  # no half of a surrogate pair
        scripts = Elements(page).scripts
        assert json.loads(scripts[0])["records"][0]["text"] == text
        assert len(scripts) == 2

    def test_characters_that_act_are_shown_as_marks(self) -> None:
        page = render_report(everywhere(HOSTILE))
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", page)
        assert "⟦U+202E⟧evil⟦U+2066⟧" in page

    def test_a_text_is_no_template(self) -> None:
        assert "{{ 7 * 7 }}" in render_report(everywhere(HOSTILE))


class TestPage:
    def test_it_asks_for_nothing_and_carries_out_its_own_script_alone(self) -> None:
        page = render_report(report())
        for tag, attributes in Elements(page).found:
            for name in ("src", "href", "action", "data"):
                address = attributes.get(name)
                assert not address or address.startswith(("#", "data:")), (tag, address)
            assert not [name for name in attributes if name.startswith("on")]
        assert "default-src 'none'" in page and "script-src 'sha256-" in page
        assert "@import" not in page and "url(" not in page

    def test_what_is_not_defined_is_a_dash_with_its_reason(self) -> None:
        row = re.search(r'<tr class="undefined">.*?</tr>', render_report(report()), re.DOTALL)
        assert row and "—" in row[0] and "no text has a topic" in row[0]

    def test_empty_cells_are_named(self) -> None:
        page = render_report(report())
        assert "Empty: 1" in page
        assert "gravel" in page.partition("Empty: 1")[2]

    def test_every_section_has_a_link_and_a_heading(self) -> None:
        page = render_report(report(student=(Fact("a", "b"),)))
        linked = re.findall(r'<a href="#(\w+)">', page)
        sections = re.findall(r'<section id="(\w+)">\n<h2>', page)
        assert linked == sections
        assert len(linked) == 10

    def test_an_empty_run_has_a_page(self) -> None:
        none = Cost(0, 0, 0, 0.0, usd_reason="no call was made")
        page = render_report(
            report(
                kinds={},
                sides=(Side("mine", "run", 0, cost=none),),
                metrics=(),
                coverage=None,
                metrics_reason="fewer than two records",
                plane=Plane(reason="no record"),
                charts=(),
                labels={},
                rejects=(),
                agents={},
                records=(),
                settings=(),
                limits=(),
            )
        )
        assert "No records yet" in page
        assert "— fewer than two records" in page and "— no record" in page

    def test_the_same_report_gives_the_same_page(self) -> None:
        assert render_report(report()) == render_report(report())


class TestNumbers:
    def test_they_are_in_the_data_as_well(self) -> None:
        found = report_metrics(report())
        assert found["run"] == "mine"
        assert found["metrics"]["a"]["values"]["mine"] == {
            "value": 2.0,
            "interval": [1.5, 2.5],
            "reason": None,
        }
        assert found["metrics"]["d"]["values"]["mine"]["value"] is None
        assert found["metrics"]["d"]["values"]["mine"]["reason"] == "no text has a topic"
        assert found["coverage"]["empty"] == ["gravel"]
        assert json.loads(json.dumps(found, allow_nan=False)) == found

    def test_a_verdict_needs_intervals_that_lie_apart(self) -> None:
        found = {
            name: row["verdicts"]["other"]
            for name, row in report_metrics(report())["metrics"].items()
        }
        assert found == {"a": "more", "b": "less", "c": "unclear", "d": "undefined"}

    def test_the_sentence_counts_what_can_be_compared(self) -> None:
        said = report_sentence(report())
        assert (
            said
            == "More diverse than other on 1 of 3 metrics, less on 1, no clear difference on 1."
        )

    def test_void_values_are_no_evidence(self) -> None:
        rows = tuple(replace(row, void="void: too small") for row in report().metrics)
        assert report_sentence(report(metrics=rows)).startswith("Too small to say")

    def test_without_a_baseline_nothing_is_claimed(self) -> None:
        alone = report(sides=report().sides[:1])
        assert "No baseline" in report_sentence(alone)


class TestPlane:
    def test_it_is_the_plane_of_largest_variance(self) -> None:
        rng = np.random.default_rng(0)
        points = rng.normal(size=(60, 2)) * (5, 2)
        directions = np.linalg.qr(rng.normal(size=(8, 8)))[0][:2]
        found = project([points @ directions])
        assert found is not None
        centred = points - points.mean(axis=0)
        distances = [
            np.linalg.norm(p[:, None] - p[None], axis=2) for p in (centred, found.groups[0])
        ]
        assert np.allclose(distances[0], distances[1])
        assert math.isclose(sum(found.explained), 1.0)

    def test_every_fitted_group_weighs_the_same(self) -> None:
        rng = np.random.default_rng(1)
        small, large = rng.normal(size=(10, 5)), rng.normal(size=(20, 5))
        one, many = project([small, large]), project([small, np.tile(large, (30, 1))])
        assert one is not None and many is not None
        assert np.allclose(one.groups[0], many.groups[0])

    def test_groups_that_are_only_shown_do_not_turn_the_axes(self) -> None:
        rng = np.random.default_rng(2)
        rows, far = rng.normal(size=(9, 4)), 100 * rng.normal(size=(9, 4))
        with_far, without = project([rows], [far]), project([rows])
        assert with_far is not None and without is not None
        assert np.array_equal(with_far.groups[0], without.groups[0])
        assert with_far.groups[1].shape == (9, 2)

    @pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.ones((7, 4)), np.zeros((0, 4))])
    def test_too_few_or_equal_rows_have_none(self, rows: Any) -> None:
        assert project([rows]) is None
