"""What SoftSRV's stages and the student came to, as facts of a report."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from metasynth.eval.report.data import Fact
from metasynth.records.record import Record
from metasynth.softsrv.manifest import read_manifest
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.student.rounds_folder import RoundsFolder

from .files import RunFiles


def stages_of(run: RunFiles) -> Iterator[Fact]:
    """The counts of SoftSRV's stages, where the run had any."""
    stages = read_manifest(SoftSRVFolder(run.directory.softsrv).manifest)
    if contexts := stages.get("contexts"):
        yield Fact("contexts", f"{contexts.get('contexts', 0):,} ({contexts.get('method', '')})")
        training = contexts.get("training") or {}
        if isinstance(training.get("seconds"), int | float):
            yield Fact("training", f"{training['steps']} steps in {training['seconds']:,.0f} s")
    if samples := stages.get("samples"):
        ended = samples.get("stop_rate")
        told = f", {ended:.1%} ended by themselves" if isinstance(ended, float) else ""
        yield Fact("samples", f"{samples.get('sampled', 0):,}{told}")
    if done := stages.get("postprocess"):
        steps = " → ".join(f"{name} {number:,}" for name, number in done["counts"].items())
        yield Fact("kept of them", steps)
        if done.get("junk"):
            junk = (f"{name} {number:,}" for name, number in done["junk"].items())
            yield Fact("left out as junk", ", ".join(junk))
    if copies := stages.get("copies"):
        for label, key in (
            ("copied from a target row", "samples"),
            ("held-out rows likewise", "held_out"),
        ):
            if shares := (copies.get(key) or {}).get("any"):
                yield Fact(label, _copied(shares))


def _copied(shares: Mapping[str, Any]) -> str:
    return (
        f"{shares['exact']:.1%} equal one, {shares['ngram']:.1%} share 13 words with one, "
        f"{shares['near']:.1%} are near one"
    )


def reason_code(record: Record) -> str:
    """What a record was rejected for, in a word."""
    return (record.reason or "").partition(":")[0]


def sent_back(run: RunFiles) -> Iterator[str]:
    """The codes with which drafts were sent back to be written again."""
    for record in run.accepted:
        yield from record.refusals
    for record in run.rejected:
        is_last = record.refusals[-1:] == [reason_code(record)]  # that one ended the record
        yield from record.refusals[:-1] if is_last else record.refusals


def student_facts(run: RunFiles) -> Iterator[Fact]:
    """What the student was asked, and what it let in."""
    scored = [record for record in (*run.accepted, *run.rejected) if record.student]
    unscored = [r for r in run.rejected if _is_of_student(r.reason) and not r.student]
    if not scored and not unscored:
        return
    refused = [r for r in run.rejected if _is_of_student(r.reason)]
    kept = [record for record in scored if record.reason is None]
    yield Fact("student", str(run.setting("student.model", "embedded")))
    yield Fact("rule", _rule(run))
    yield Fact("candidates scored", f"{len(scored):,}")
    yield Fact("let in", f"{len(kept):,}{_scores(kept)}")
    yield Fact("refused", f"{len(refused):,}{_scores(refused)}")
    again = Counter(code for code in sent_back(run) if _is_of_student(code))
    if again:
        told = ", ".join(f"{number:,} {code}" for code, number in again.most_common())
        yield Fact("drafts sent back", told.replace("_", " "))
    if unscored:
        yield Fact("could not be scored", f"{len(unscored):,}, refused for it")


def _is_of_student(code: str | None) -> bool:
    return (code or "").startswith("student")


def _rule(run: RunFiles) -> str:
    settings = run.setting("active.candidates", {})
    criterion = (settings.get("scoring") or {}).get("criterion", "")
    direction = settings.get("direction", "high")
    if settings.get("accept") == "best":
        which = f"the {settings.get('keep')} of every {settings.get('batch')}"
        return f"{which} candidates whose {criterion} is {direction}"
    return (
        f"{criterion} must not fall below the {settings.get('quantile')} quantile of the last "
        f"{settings.get('window')} scores ({direction} is wanted)"
    )


def _scores(records: list[Record]) -> str:
    scores = [record.student.score for record in records if record.student]
    return f", median score {median(scores):.3g}" if scores else ""


def rounds_of(root: Path) -> Iterator[dict[str, Any]]:
    """A row of a table for each round in RUN/student."""
    for told in RoundsFolder(root).reports():
        spent, tested = told.get("spent") or {}, told.get("evaluation") or {}
        seeds = told.get("seeds") or {}
        yield {
            "round": told["round"],
            "asked": told.get("asked"),
            "accepted": told.get("accepted"),
            "rejected": told.get("rejected"),
            "chosen": seeds.get("chosen"),
            "criterion": told.get("criterion", ""),
            "median": seeds.get("median"),
            "median_chosen": seeds.get("median_chosen"),
            "calls": spent.get("calls"),
            "tokens": spent.get("tokens"),
            "accuracy": tested.get("accuracy"),
            "loss": tested.get("loss"),
            "stopped": told.get("stopped_because", ""),
        }
