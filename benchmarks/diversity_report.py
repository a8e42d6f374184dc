"""The tables of the diversity study, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from benchmarks.diversity_arms import ARMS, BASELINE, ORDER, WHOLE, WORLD
from metasynth.eval.metric import METRICS, all_metrics

ARROWS = {"higher": "↑", "lower": "↓"}
NOTE = """\
Mean over {seeds} seeds of randomness, {records} accepted records of each arm a seed, cut to equally
many words ({words}). ↑: more is more diverse, ↓: less is. Brackets: 95 % intervals, Student's t
over the seeds; with so many arms and metrics about one in twenty misses zero by chance alone.

What to bear in mind. All arms but the two `no_refresh` ones get a new seed for every record, chosen
by MetaSynth's refresh: the templates have this part of MetaSynth too. The verifier refuses wrong
answers in every arm; those that lose many records to it may keep the easier ones. Of a
role the embedded model reads the title, the instruction and what is attached: a persona or the
analyst's word cannot reach its texts, so that `no_personas` and `no_analyst` can differ from
`metasynth` by chance alone (but for the entropy of personas). `world` is not written by a model: it
is the generator of the small world that the embedded model learnt from, and stands for real
documents. Verbalised sampling is not among the arms: the embedded model cannot tell probabilities.
A template gives no topics and personas, so that their entropies are not defined."""


def report(
    found: Sequence[Mapping[str, Any]],
    costs: Mapping[tuple[str, int], Mapping[str, Any]],
    short: Mapping[tuple[str, int], Mapping[str, Any]],
    *,
    records: int,
) -> str:
    """All tables.

    Args:
        found: One a seed of randomness: words, and the metrics of each arm.
        costs: What the run of an arm and a seed took; empty where it is not done.
        short: Those of them that ended with fewer records than were asked for.
        records: That many.
    """
    if not found:
        return "nothing is finished yet"
    words = " / ".join(f"{one['words']:,}" for one in found)
    values = by_arm(found)
    parts = [
        NOTE.format(seeds=len(found), records=records, words=words),
        "## Values\n\n" + table(values, [*ARMS, WORLD], None),
        f"## Differences from `{BASELINE}`, paired by seed\n\n"
        "Bold: the interval misses zero. (+): in the direction of more diversity, (-): of less.\n\n"
        + table(values, [name for name in (*ARMS, WORLD) if name != BASELINE], BASELINE),
        f"## Differences of `{WHOLE}` changed in one part from `{WHOLE}`, paired by seed\n\n"
        + table(values, [name for name in ARMS if _is_part(name)], WHOLE),
        "## Costs\n\n" + costs_table(costs, ARMS),
        "## Arms\n\n" + "\n".join(f"- `{name}`: {arm.told}." for name, arm in ARMS.items()),
    ]
    told = sorted({warning for one in found for warning in one["warnings"]})
    told += [f"{name} {seed}: {one['records']} records only" for (name, seed), one in short.items()]
    if told:
        parts.append("## Mind\n\n" + "\n".join(f"- {line}" for line in told))
    return "\n\n".join(parts)


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of a mean by Student's t; None with fewer than two values."""
    if len(values) < 2:
        return None
    from scipy.stats import t  # type: ignore[import-untyped]

    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return fmean(values) - half, fmean(values) + half


Values = Mapping[str, Mapping[str, Mapping[int, float]]]


def by_arm(found: Sequence[Mapping[str, Any]]) -> Values:
    """Arm, metric, seed; values that are not defined are left out."""
    values: dict[str, dict[str, dict[int, float]]] = {}
    for one in found:
        for name, cells in one["arms"].items():
            for metric, value in cells.items():
                by_seed = values.setdefault(name, {}).setdefault(metric, {})
                if value is not None:
                    by_seed[one["seed"]] = value
    return values


def _is_part(name: str) -> bool:
    return name.startswith("no_") or name in ("none_of_them", ORDER)


def table(values: Values, names: Sequence[str], against: str | None) -> str:
    """A row an arm, a column a metric."""
    shown = [name for name in names if name in values]
    metrics = [
        metric for metric in all_metrics() if any(values[name].get(metric) for name in shown)
    ]
    heads = [f"{METRICS[metric].title} {ARROWS[METRICS[metric].better]}" for metric in metrics]
    lines = [_row("arm", *heads), _row(*["---"] * (len(metrics) + 1))]
    for name in shown:
        cells = [_cell(values, name, metric, against) for metric in metrics]
        lines.append(_row(name, *cells))
    return "\n".join(lines)


def _cell(values: Values, name: str, metric: str, against: str | None) -> str:
    own = values[name].get(metric, {})
    if against is None:
        return _value(list(own.values()))
    other = values.get(against, {}).get(metric, {})
    return _difference([own[seed] - other[seed] for seed in own if seed in other], metric)


def _value(values: Sequence[float]) -> str:
    if not values:
        return "–"
    between = interval(values)
    if between is None:
        return _digits(values[0])
    return f"{_digits(fmean(values))} ± {_digits((between[1] - between[0]) / 2)}"


def _difference(values: Sequence[float], metric: str) -> str:
    if not values:
        return "–"
    between = interval(values)
    mean = fmean(values)
    if between is None:
        return f"{mean:+.3g}"
    text = f"{mean:+.3g} [{between[0]:.3g}, {between[1]:.3g}]"
    if between[0] <= 0 <= between[1]:
        return text
    better = (mean > 0) == (METRICS[metric].better == "higher")
    return f"**{text}** ({'+' if better else '-'})"


def costs_table(costs: Mapping[tuple[str, int], Mapping[str, Any]], names: Iterable[str]) -> str:
    """What an accepted record of these arms took, over all seeds that are done."""
    heads = ("arm", "seeds", "records", "rejected", "calls / record", "tokens / record")
    lines = [_row(*heads, "CPU s / record"), _row(*["---"] * 7)]
    for name in names:
        own = [one for (arm, _), one in costs.items() if arm == name and one.get("records")]
        if own:
            made = sum(one["records"] for one in own)
            per = [sum(one[key] for one in own) / made for key in ("calls", "tokens")]
            cpu = sum(one["cpu_seconds"] for one in own) / made
            rejected = sum(one["rejected"] for one in own)
            figures = (f"{per[0]:.1f}", f"{per[1]:.0f}", f"{cpu:.2f}")
            lines.append(_row(name, len(own), made, rejected, *figures))
    return "\n".join(lines)


def _digits(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.2g}"


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
