"""What the rounds of a run came to, as a table with its notes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metasynth.records.record import Record
from metasynth.records.rundir import RunDirectory
from metasynth.student.rounds_folder import RoundsFolder
from metasynth.text.words import excerpt

from .terminal import tell

_HEAD = ("round", "asked", "kept", "tokens", "pool", "seeds", "children", "fidelity")
_TESTED = ("accuracy", "test loss")
_NONE = "-"
_REASON_WORDS = 14
_FEWEST_SETS = 4  # medians of fewer agree by chance
_SEED_WORDS = 40


def print_rounds(directory: Path) -> None:
    """A line for each round that has ended, where the run had any."""
    told = list(RoundsFolder(RunDirectory(directory).student).reports())
    if not told:
        return
    last = told[-1]
    if "asked" in last:
        how = f"by {last['criterion']}" if last["criterion"] else "at random"
        tell(f"  rounds          arm {last['arm']}, seeds chosen {how}, rows by {last['generate']}")
    table = [(*_HEAD, *_TESTED), *(_line(one) for one in told)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        tell(f"    {'  '.join(cells)}")
    if any(one.get("criterion") for one in told):
        tell(
            "    pool, seeds, children: median scores by the student that the round began with;\n"
            "    fidelity: rank correlation of children's scores with their seeds' in the round"
        )
    for label, note in _notes(told):
        tell(f"  {label:<15} {note}")


def seed_facts(directory: Path, record: Record) -> list[tuple[str, str]]:
    """What the record was written from, and what the student said of it then."""
    text = RoundsFolder(RunDirectory(directory).student).seed_text(record.id)
    facts = [("seed", excerpt(text, _SEED_WORDS))] if text else []
    if (score := record.seed_score) is not None:
        told = f"{score.criterion} {score.score:.3f} (round {score.round})"
        facts.append(("seed's score", told))
    return facts


def _line(told: Mapping[str, Any]) -> tuple[str, ...]:
    seeds, children = told.get("seeds") or {}, told.get("children") or {}
    tested = told.get("evaluation") or {}
    spent = told.get("spent")
    return (
        f"{told['round']}",
        f"{told['asked']}" if "asked" in told else _NONE,
        f"{told['accepted']}" if "accepted" in told else _NONE,
        f"{spent['tokens']:,}" if spent else _NONE,
        _score(seeds.get("median")),
        _score(seeds.get("median_chosen")),
        _score(children.get("median")),
        _correlation(told.get("fidelity")),
        _share(tested.get("accuracy")),
        _loss(tested.get("loss")),
    )


def _notes(told: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    last, ended = told[-1], [one for one in told if "asked" in one]
    if tested := last.get("evaluation"):
        unread = tested["rows"] - tested["checked"]
        more = f", {unread} could not be checked" if unread else ""
        yield "test", f"{tested['rows']} rows, checked by {tested['checker']}{more}"
    for one in ended:
        for name in ("seeds", "children"):
            if unscored := one[name]["unscored"]:
                reasons = "; ".join(
                    f"{count} {excerpt(reason, _REASON_WORDS)}"
                    for reason, count in list(unscored.items())[:3]
                )
                yield "without a score", f"round {one['round']}, {name}: {reasons}"
        if copies := one["copies_of_test"]:
            yield "not trained on", f"round {one['round']}: {copies} that copy a test row"
        if (trained := one["training"]) and trained["left_out"]:
            bad = trained["left_out"]
            yield (
                "not trained on",
                f"round {one['round']}: {len(bad)} rows, the first: {bad[0]['reason']}",
            )
    sets = (last.get("fidelity_so_far") or {}).get("sets", 0)
    if sets >= _FEWEST_SETS:
        told_sets = _interval(last["fidelity_so_far"]["by_set"])
        yield "fidelity", f"{told_sets} of the medians of {sets} rounds"
    for gate in last.get("gates", ()):
        verdict = "passed" if gate["passed"] else "failed"
        yield f"gate {gate['name']}", f"{verdict}, {_interval(gate['value'])}: {gate['detail']}"


def _correlation(fidelity: Mapping[str, Any] | None) -> str:
    return _NONE if fidelity is None else _interval(fidelity["by_point"])


def _interval(value: Sequence[float | None]) -> str:
    middle, low, high = ("?" if one is None else f"{one:.2f}" for one in value)
    return f"{middle} [{low}, {high}]"


def _score(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _share(value: Sequence[float | None] | None) -> str:
    if value is None or None in value:
        return _NONE
    middle, low, high = (f"{100 * (one or 0):.0f}" for one in value)
    return f"{middle} % [{low}, {high}]"


def _loss(value: Sequence[float | None] | None) -> str:
    return _NONE if value is None else _score(value[0])
