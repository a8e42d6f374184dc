"""What a run ends with: a summary that a person wants to read."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from metasynth.agents.messages import one_line
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record
from metasynth.text.words import excerpt

from .rounds import print_rounds
from .screening import print_screening
from .softsrv import print_stages
from .terminal import tell

_SAMPLES = 3
_EMBEDDED_NOTE = (
    "The embedded model is a toy that knows a few small domains of its own. It shows the machine\n"
    "at work; it cannot write about anything else. For your domain name a model in the run file,\n"
    "e.g. teacher: {model: openai:NAME, base_url: …} (see examples/finance.yaml)."
)


def print_summary(workspace: Workspace, directory: Path, stopped_because: str) -> None:
    """Counts, cost, diversity, some records, and where everything lies."""
    accepted = list(workspace.corpus.records())
    rejected = list(workspace.corpus.rejected_records())
    tell(f"\n{workspace.config.name}: {len(accepted)} records accepted, {len(rejected)} rejected")
    tell(f"  ended because   {stopped_because}")
    print_stages(directory)
    print_rounds(directory)
    _print_drafts(workspace, accepted, rejected)
    print_screening(workspace, accepted)
    _print_content(accepted)
    _print_cost(workspace, len(accepted))
    _print_samples(accepted)
    tell(f"\n  corpus    {directory / 'corpus.jsonl'}")
    tell(f"  rejected  {directory / 'rejected.jsonl'}")
    tell(f"  configuration and versions: {directory / 'run.yaml'}")
    if accepted:
        tell(f"  one record's story:         metasynth explain {directory} {accepted[0].id}")
    if workspace.config.model_for("experts").model == "embedded":
        tell("\n" + _EMBEDDED_NOTE)


def _print_drafts(workspace: Workspace, accepted: list[Record], rejected: list[Record]) -> None:
    refusals = Counter(code for record in (*accepted, *rejected) for code in record.refusals)
    sent_back = refusals.total()
    submitted = len(accepted) + sent_back
    if submitted:
        share = len(accepted) / submitted
        tell(f"  drafts          {submitted} judged, {share:.0%} accepted, {sent_back} sent back")
    if refusals:
        told = ", ".join(f"{name} {count}" for name, count in refusals.most_common())
        tell(f"  sent back for   {told}")
    if reasons := workspace.corpus.reasons():
        told = ", ".join(f"{name} {count}" for name, count in Counter(reasons).most_common())
        tell(f"  rejected for    {told}")
    checked = [record.checker.passed for record in accepted if record.checker]
    if checked:
        tell(f"  answers         {sum(map(bool, checked))} of {len(checked)} checked and right")


def _print_content(accepted: list[Record]) -> None:
    distances = [
        r.novelty.distance for r in accepted if r.novelty and r.novelty.distance is not None
    ]
    if distances:
        tell(
            f"  novelty         nearest earlier record at {min(distances):.2f} or more, "
            f"median {median(distances):.2f} (cosine distance)"
        )
    for label, values in (
        ("genres", (record.genre for record in accepted)),
        ("topics", (record.topic for record in accepted)),
        ("experts", (expert for record in accepted for expert in record.experts)),
    ):
        if told := _histogram(values):
            tell(f"  {label:<15} {told}")


def _histogram(values: Iterable[str], most: int = 8) -> str:
    counts = Counter(one_line(value, most_words=6) for value in values if value.strip())
    told = ", ".join(f"{name} {count}" for name, count in counts.most_common(most))
    others = len(counts) - most
    return f"{told} and {others} more" if others > 0 else told


def _print_cost(workspace: Workspace, records: int) -> None:
    totals = workspace.ledger.totals()
    per = f", {totals.calls / records:.1f} a record" if records else ""
    tell(f"  calls           {totals.calls}{per}")
    tell(f"  tokens          {totals.tokens_in:,} in, {totals.tokens_out:,} out")
    if workspace.config.prices:
        unpriced = f", {totals.unpriced} calls have no price" if totals.unpriced else ""
        tell(f"  cost            ${totals.usd:.4f}{unpriced}")
    by_agent = workspace.ledger.totals_by_agent()
    if len(by_agent) > 1:
        told = sorted(by_agent.items(), key=lambda item: -item[1].calls)
        tell("  calls by agent  " + ", ".join(f"{name} {t.calls}" for name, t in told))


def _print_samples(accepted: list[Record]) -> None:
    step = max(1, len(accepted) // _SAMPLES)
    for record in accepted[::step][:_SAMPLES]:
        parts = (record.genre, record.topic, record.persona)
        about = ", ".join(one_line(part, most_words=6) for part in parts if part)
        tell(f"\n  [{record.id}] {about}".rstrip() + f"\n  {excerpt(record.body, 90)}")
