"""The tables of a data card, in Markdown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from metasynth.records.shape import SHAPES
from metasynth.results.run.files import RunFiles


class Measured(NamedTuple):
    """The metrics of a card: the section, and what the report said about its limits."""

    section: str
    limits: Sequence[str]


def table(heads: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table of cells, whatever signs they hold."""
    names = list(heads)
    lines: list[Iterable[object]] = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(_cell, cells)) + " |" for cells in lines)


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    return text.replace("|", "\\|").replace("<", "&lt;")


def columns_table(rows: Mapping[str, int], plain: bool) -> str:
    """The shapes with their rows and columns."""
    cells = []
    for name, count in rows.items():
        columns = SHAPES[name].all_columns(plain=plain)
        cells.append((f"`{name}`", f"{count:,}", ", ".join(f"`{one}`" for one in columns)))
    return table(("configuration", "rows", "columns"), cells)


def cost_table(run: RunFiles) -> str:
    """Calls, tokens, time and price by agent; what the run's ledger holds."""
    if not run.cost.calls:
        return "The run has no ledger of calls."
    rows = [
        (f"`{agent}`", f"{c.calls:,}", f"{c.tokens_in:,}", f"{c.tokens_out:,}", _usd(c.usd))
        for agent, c in sorted(run.agents.items(), key=lambda pair: -pair[1].tokens)
    ]
    whole = run.cost
    rows.append(
        (
            "all",
            f"{whole.calls:,}",
            f"{whole.tokens_in:,}",
            f"{whole.tokens_out:,}",
            _usd(whole.usd),
        )
    )
    text = table(("agent", "calls", "tokens in", "tokens out", "US dollars"), rows)
    if whole.usd_reason:
        text += f"\n\nPrice: {whole.usd_reason}."
    per = len(run.accepted)
    return f"{text}\n\nA record: {whole.calls / per:.1f} calls, {whole.tokens / per:,.0f} tokens."


def _usd(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def metrics_of(run: RunFiles) -> Measured:
    """What `metrics.json` says, where `metasynth report` has written it."""
    path = run.directory.root / "metrics.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        corpora, metrics = found["corpora"], found["metrics"]
        limits = [str(one) for one in found.get("limits", ())]
        rows = [_metric_row(one, corpora) for one in metrics.values()]
    except FileNotFoundError:
        return Measured("Not measured: `metasynth report` had not been run.", ())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Measured(f"metrics.json of the run cannot be read ({type(error).__name__}).", ())
    if not rows:
        return Measured(f"None: {found.get('metrics_reason')}.", limits)
    told = f"Measured by `metasynth report`, {found.get('comparison', '')}."
    count = next((one.get("accepted") for one in corpora if one.get("role") == "run"), None)
    if count != len(run.accepted):
        told += f" That was at {count} records; there are {len(run.accepted)} now."
    heads = ("metric", "better", *(one["label"] for one in corpora))
    return Measured(f"{told}\n\n{table(heads, rows)}", limits)


def _metric_row(metric: Mapping[str, Any], corpora: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = [metric["values"].get(one["label"]) or {} for one in corpora]
    return [metric["title"], metric["better"], *(_value(cell) for cell in cells)]


def _value(cell: Mapping[str, Any]) -> str:
    value, between = cell.get("value"), cell.get("interval")
    if value is None:
        return "–"
    return f"{value:.4g}" + (f" [{between[0]:.4g}, {between[1]:.4g}]" if between else "")
