"""A record's receipt, from corpus and ledger."""

from contextlib import closing
from pathlib import Path

from metasynth.memory.ledger import Ledger
from metasynth.records.ids import full_id
from metasynth.records.record import Record, RejectedAnswer, read_records
from metasynth.records.rundir import RunDirectory
from metasynth.records.seed_file import read_seeds
from metasynth.text.words import excerpt

from .rounds import seed_facts
from .screening import told_score
from .softsrv import origin_of
from .terminal import tell


def print_receipt(directory: Path, record_id: str) -> None:
    """Print who wrote the record, what they saw, what was said of it and what it cost.

    Raises:
        RequestError: The run holds no such record (code `no_record`).
    """
    record = _find(directory, record_id)
    ids = {*record.seed_ids, *record.parent_ids}
    run = RunDirectory(directory)
    kept = [seed for file in (run.seeds, run.exemplars) for seed in read_seeds(file, ids)]
    seeds = [seed for seed in kept if seed.place is not None]
    tell(f"{record.id}: {'rejected, ' + record.reason if record.reason else 'accepted'}")
    for label, value in (
        *facts_of(record),
        *seed_facts(directory, record),
        *origin_of(directory, record),
        *((("read from", str(seed.place))) for seed in seeds),
    ):
        if value:
            tell(f"  {label:<12} {value}")
    tell(f"\n{record.body}\n")
    for seed in seeds:
        tell(f"{seed.id}, as it was read from {seed.place}:\n{seed.text}\n")
    with closing(Ledger(RunDirectory(directory).ledger, read_only=True)) as ledger:
        for number, call in enumerate(ledger.calls_of(record.id), start=1):
            cost = f", ${call.usd:.6f}" if call.usd is not None else ""
            tell(
                f"  {number:>2}. {call.agent} ({call.model}, {call.tokens_in} in, "
                f"{call.tokens_out} out, {call.seconds:.2f} s{cost})"
            )
            for made in call.response.tool_calls:
                given = ", ".join(f"{key}={value!r}" for key, value in made["args"].items())
                tell(f"        {made['name']}({excerpt(given, 40)})")
            if text := str(call.response.text).strip():
                tell(f"        {excerpt(text, 40)}")


def _find(directory: Path, part: str) -> Record:
    files = [directory / name for name in ("corpus.jsonl", "rejected.jsonl")]
    ids = [record.id for file in files for record in read_records(file)]
    record_id = full_id(ids, part, where=str(directory))
    return next(record for file in files for record in read_records(file) if record.id == record_id)


def _not_kept(answer: RejectedAnswer) -> str:
    return f"an answer to question {answer.turn} ({answer.by}: {excerpt(answer.reason, 20)})"


def _review(record: Record) -> str:
    if record.review is None:
        return ""
    done = {"accept": "accepted", "edit": "edited", "reject": "rejected"}[record.review.decision]
    note = f": {record.review.note}" if record.review.note else ""
    return f"{done} by {record.review.by}{note}"


def facts_of(record: Record) -> list[tuple[str, str]]:
    """What is known of a record, as labels and values; a value may be empty."""
    made, novelty, checker = record.generation, record.novelty, record.checker
    near = ""
    if novelty and novelty.distance is not None:
        near = (
            f"{novelty.distance:.3f} from {novelty.nearest_id}, "
            f"n-gram overlap {novelty.ngram_overlap:.0%}"
        )
    said = f"{'right' if checker.passed else 'not right'} ({checker.detail})" if checker else ""
    cost = f"{made.calls} calls, {made.tokens_in} tokens in, {made.tokens_out} out"
    return [
        ("topic", record.topic),
        ("genre", record.genre),
        ("persona", record.persona),
        ("source", record.source if record.source != "conductor" else ""),
        ("seeds", ", ".join(record.seed_ids)),
        ("keywords", ", ".join(record.keywords)),
        ("experts", " → ".join(record.experts)),
        ("revisions", str(record.revisions)),
        ("not kept", "; ".join(map(_not_kept, record.rejected_answers or ()))),
        ("summary", record.summary),
        ("nearest", near),
        ("checker", said),
        ("review", _review(record)),
        ("student", told_score(record.student) if record.student else ""),
        ("models", ", ".join(f"{part} {name}" for part, name in made.models.items())),
        ("cost", cost + (f", ${made.usd:.6f}" if made.usd is not None else "")),
        ("made by", f"configuration {made.config_hash}, prompts {made.prompt_version}"),
    ]
