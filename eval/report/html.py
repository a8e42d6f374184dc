"""The report of a run: one page that works offline, and the same numbers as data.

Everything on the page comes from strangers' texts or a user's files, so nothing is trusted: the
template escapes all, the script makes nodes of text alone, and a content security policy lets
neither another script nor any address in.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from . import numbers
from .charts import chart, key_mark, strip, tone
from .data import Chart, Cost, MetricRow, Report
from .text import script_json, visible
from .verdicts import WORDS, doubts, report_sentence, tally, verdict

_SCRIPTS = ("text.js", "theme.js", "path.js", "records.js", "map.js")


def render_report(report: Report) -> str:
    """The page as HTML: styles, scripts and data are inside, nothing is fetched."""
    script = "".join(_page_file(name) for name in _SCRIPTS)
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    marks = _marks(report)
    data = {
        "marks": marks,
        "records": report.records,
        "points": report.plane.points,
        "texts": report.plane.texts,
        "seeds": next((side.label for side in report.sides if side.role == "seeds"), ""),
    }
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            report=report,
            style=Markup(_page_file("style.css")),  # noqa: S704 - a file of ours
            script=Markup(script),  # noqa: S704 - likewise
            script_hash=hashed,
            data=Markup(script_json(data)),  # noqa: S704 - holds no sign that HTML knows
            sentence=report_sentence(report),
            doubts=doubts(report),
            headline=_headline(report),
            order=_order(report),
            marks=marks,
            roles=[
                (side.label, marks[side.label])
                for side in reversed(report.sides)
                if report.metrics and side.label in report.metrics[0].values
            ],
            groups=_groups(report),
        )
    )


def report_metrics(report: Report) -> dict[str, Any]:
    """What `metrics.json` holds: the report's numbers without its texts."""
    return {
        "run": report.name,
        "subject": report.subject,
        "graph": report.graph,
        "corpora": [
            {
                "label": side.label,
                "role": side.role,
                "accepted": side.accepted,
                "rejected": side.rejected,
                "words": side.words,
                "cost": _cost(side.cost) if side.cost else None,
            }
            for side in report.sides
        ],
        "comparison": report.comparison,
        "warnings": list(report.warnings),
        "metrics": {row.name: _metric(row, report) for row in report.metrics},
        "metrics_reason": report.metrics_reason or None,
        "verdicts": {
            other.label: dict(tally(report.metrics, report.run.label, other.label))
            for other in report.baselines
        },
        "coverage": _coverage(report),
        "labels": {
            what: {count.label: count.count for count in counts}
            for what, counts in report.labels.items()
        },
        "rejected_for": {count.label: count.count for count in report.rejects},
        "sent_back_for": {count.label: count.count for count in report.refusals},
        "agents": {agent: _cost(cost) for agent, cost in report.agents.items()},
        "rounds": [dict(row) for row in report.rounds],
        "student": {fact.label: fact.value for fact in report.student},
        "limits": list(report.limits),
        "versions": dict(report.versions),
    }


def _metric(row: MetricRow, report: Report) -> dict[str, Any]:
    return {
        "title": row.title,
        "better": row.better,
        "meaning": row.meaning,
        "settings": dict(row.settings),
        "values": {
            label: {
                "value": reading.value,
                "interval": list(reading.interval) if reading.interval else None,
                "reason": reading.reason or None,
            }
            for label, reading in row.values.items()
        },
        "gap_closed": {"share": row.closed.value, "interval": row.closed.interval}
        if row.closed
        else None,
        "verdicts": {
            other.label: verdict(row, report.run.label, other.label) for other in report.baselines
        },
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "calls": cost.calls,
        "tokens_in": cost.tokens_in,
        "tokens_out": cost.tokens_out,
        "model_seconds": cost.seconds,
        "busy_seconds": cost.busy_seconds,
        "usd": cost.usd,
        "usd_reason": cost.usd_reason or None,
    }


def _coverage(report: Report) -> dict[str, Any] | None:
    coverage = report.coverage
    if coverage is None:
        return None
    return {
        "unit": coverage.unit,
        "how": coverage.how,
        "cells": {cell.label: cell.count for cell in coverage.cells},
        "empty": [cell.label for cell in coverage.empty],
    }


def _marks(report: Report) -> dict[str, str]:
    """The classes of each side's mark; baselines have shapes of their own."""
    marks = {side.label: str(side.role) for side in report.sides}
    for number, side in enumerate(report.baselines):
        marks[side.label] = f"baseline b{number % 3}"
    return marks


def _headline(report: Report) -> str:
    """What was made, in a few words."""
    kinds = [numbers.plural(many, kind) for kind, many in report.kinds.items() if many]
    made = " and ".join(kinds) or "No records yet"
    return f"{made} on {report.subject}" if report.subject else made


def _order(report: Report) -> list[MetricRow]:
    """The metrics that are defined for the run, then the others."""
    label = report.name
    return sorted(report.metrics, key=lambda row: row.values[label].value is None)


def _groups(report: Report) -> Mapping[str, list[tuple[Chart, Markup]]]:
    """The charts, drawn, under the names of their groups."""
    groups: dict[str, list[tuple[Chart, Markup]]] = {}
    for each in report.charts:
        if drawn := chart(each):
            groups.setdefault(each.group, []).append((each, drawn))
    return groups


@cache
def _page_file(name: str) -> str:
    return (files("metasynth.eval.report") / "page" / name).read_text(encoding="utf-8")


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(_page_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(
        count=numbers.count,
        duration=numbers.duration,
        plural=numbers.plural,
        share=numbers.share,
        short=numbers.short,
        usd=numbers.usd,
        value=numbers.value,
    )
    environment.globals.update(
        key_mark=key_mark, strip=strip, tone=tone, verdict=verdict, WORDS=WORDS
    )
    return environment


def _shown(value: object) -> object:
    """Every text that the template writes, without characters that act on the page."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
