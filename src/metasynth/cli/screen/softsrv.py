"""What SoftSRV's stages came to, for summaries and receipts."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from metasynth.config.instruct import INSTRUCT_GRAPHS
from metasynth.records.record import Record
from metasynth.records.rundir import RunDirectory
from metasynth.softsrv.manifest import read_manifest
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.softsrv.sampling.samples import Candidate, Sample, read_candidates, read_samples
from metasynth.text.words import excerpt

from .terminal import tell

_CHAIN = "softsrv"
_FEWEST_STOPPED = 0.95  # below, samples are cut too often for their end to have been learnt


def print_stages(directory: Path) -> None:
    """The counts of every stage, where the run had any."""
    stages = read_manifest(SoftSRVFolder(RunDirectory(directory).softsrv).manifest)
    for label, value in _facts(stages):
        tell(f"  {label:<15} {value}")


def origin_of(directory: Path, record: Record) -> list[tuple[str, str]]:
    """Where a question comes from: its document, or its context, its sample and its cluster."""
    if record.source in INSTRUCT_GRAPHS:
        return [("made from", ", ".join(record.parent_ids))]
    folder = SoftSRVFolder(RunDirectory(directory).softsrv)
    facts = [
        ("context", f"{parent}: {excerpt(folder.context_text(parent) or 'text not kept', 40)}")
        for parent in record.parent_ids
    ]
    candidate = _candidate(folder, record.id)
    if candidate is None:
        return facts
    sample = next((s for s in read_samples(folder.samples) if s.number == candidate.number), None)
    return [*facts, ("stages", _stages_of(candidate, sample, record))]


def _candidate(folder: SoftSRVFolder, record_id: str) -> Candidate | None:
    chain, _, place = record_id.rpartition("-")
    if not chain.endswith(f"-{_CHAIN}"):
        return None
    return next(islice(read_candidates(folder.candidates), int(place) - 1, None), None)


def _stages_of(candidate: Candidate, sample: Sample | None, record: Record) -> str:
    size = f" of {sample.tokens} tokens" if sample is not None and sample.tokens else ""
    ended = f"rejected ({record.reason})" if record.reason else "admitted"
    return (
        f"sample {candidate.number}{size} → kept from cluster {candidate.cluster} → "
        f"{'answered → ' if record.kind == 'instruction' else ''}{ended}"
    )


def _facts(stages: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "contexts" in stages:
        yield "contexts", f"{stages['contexts']['contexts']} ({stages['contexts']['method']})"
        if training := stages["contexts"].get("training"):
            yield "soft prompt", _training(training)
    if "samples" in stages:
        yield from _samples(stages["samples"])
    if copies := stages.get("copies"):
        yield "copies", copy_shares(copies["samples"])
        if copies["held_out"]["texts"]:
            yield "held-out rows", copy_shares(copies["held_out"])
    if "postprocess" in stages:
        done = stages["postprocess"]
        yield "kept", " → ".join(f"{name} {count}" for name, count in done["counts"].items())
        if done["junk"]:
            yield "junk", ", ".join(f"{name} {count}" for name, count in done["junk"].items())
        for note in done["notes"]:
            yield "note", note


def _training(report: Mapping[str, Any]) -> str:
    parts = [f"{report.get('steps', '?')} steps in {report.get('seconds', '?')} s"]
    before, after = (report.get(name) or {} for name in ("before", "after"))
    if "held_out_nll" in before and "held_out_nll" in after:
        losses = f"{before['held_out_nll']:.3f} → {after['held_out_nll']:.3f}"
        parts.append(f"held-out loss {losses}")
    if "shuffled_gap" in after and "shuffled_gap_error" in after:
        gap, error = after["shuffled_gap"], after["shuffled_gap_error"]
        parts.append(f"{gap:.3f} ± {error:.3f} worse with another row's context")
    return ", ".join(parts)


def copy_shares(copying: Mapping[str, Any]) -> str:
    """How many texts repeat a row; shown for samples and, to compare, for real texts.

    Args:
        copying: A `Copying` of the copy audit, or what JSON keeps of it.
    """
    shares, nearest = copying["any"], copying["any_similarity"]
    if not shares or not nearest:
        return "no rows to compare with"
    return (
        f"{shares['exact']:.1%} equal a row, {shares['ngram']:.1%} share 13 words, "
        f"{shares['near']:.1%} are near; nearest row at {nearest['median']:.2f} (median cosine)"
    )


def _samples(counts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    share = counts["stop_rate"]
    flag = ": too few" if share < _FEWEST_STOPPED else ""
    tokens = f", {counts['tokens']:,} tokens" if counts["tokens"] else ""
    yield (
        "samples",
        f"{counts['sampled']}, {share:.1%} ended by themselves{flag}{tokens}, "
        f"{counts['seconds']:.0f} s",
    )
    if "parse_failures" in counts:
        lost = f"{counts['parse_failures']} of {counts['asked']} questions not found in replies"
        yield "calls", f"{counts['calls']}, {lost}"
    if refined := counts.get("refinement"):
        yield "refinement", ", ".join(f"{name} {count}" for name, count in refined.items())
