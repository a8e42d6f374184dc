"""What a reader must know before they quote a number of a report."""

from collections.abc import Iterator, Sequence

from metasynth.config.instruct import INSTRUCT_GRAPHS
from metasynth.results.run.files import RunFiles

from .metrics import MOST, Compared
from .real_texts import RealTexts
from .vectors import TextVectors

_FEW = 100
_OF_THE_MAP = (
    "The map shows two directions of several hundred; texts that lie together there may still "
    "differ, and distances to seeds that are keywords mean little."
)


def limits_of(
    run: RunFiles,
    others: Sequence[RunFiles],
    real: RealTexts,
    vectors: TextVectors,
    found: Compared,
    records_note: str,
) -> Iterator[str]:
    """One sentence each, those first that weigh most."""
    for warning in found.warnings:
        is_sentence = warning.startswith("void")
        yield (warning[:1].upper() + warning[1:] if is_sentence else warning) + "."
    for one in (run, *others):
        yield from (f"{one.label}: {note}" for note in one.notes)
    yield from _of_instructions(run, others)
    yield from _of_sizes(run, others)
    yield from _of_models(run)
    yield from _of_cost(run)
    if not others:
        yield "Without a baseline a metric says little: most of them move with size and subject."
    if records_note:
        yield records_note
    if vectors.truncated:
        yield (
            f"{vectors.truncated:,} texts are longer than the embedding model reads; "
            "what lies behind its limit does not count in the map and in metrics of vectors."
        )
    if max(len(one.accepted) for one in (run, *others)) > MOST:
        yield f"Metrics are of {MOST:,} records of each corpus, drawn at random."
    if real.reason:
        yield f"Real texts are missing: {real.reason}."
    yield _OF_THE_MAP
    yield (
        "Metrics of diversity say nothing about whether a text is right or useful: random words do "
        "well on some of them."
    )


def card_limits(run: RunFiles, measured: Sequence[str]) -> Iterator[str]:
    """The limits for a data card: the data's own, then what the report said of its measurements."""
    yield (
        "Models wrote all of it: what they state about the world may be wrong, and nobody who is "
        "named need exist."
    )
    own = [*run.notes, *_of_models(run)]
    yield from own
    yield (
        "Nothing was compared with test sets on the way, unless the run file says so: "
        "`metasynth eval contamination` does that."
    )
    told = {*own, *_of_cost(run), _OF_THE_MAP}
    yield from (limit for limit in measured if limit not in told)


def _of_instructions(run: RunFiles, others: Sequence[RunFiles]) -> Iterator[str]:
    if run.graph in INSTRUCT_GRAPHS:
        yield "Metrics and map are of what instructions ask; their answers do not count in them."
    other_kind = [
        one.label
        for one in others
        if (one.graph in INSTRUCT_GRAPHS) != (run.graph in INSTRUCT_GRAPHS)
    ]
    if other_kind:
        yield f"{' and '.join(other_kind)}: instructions do not compare with other texts."


def _of_sizes(run: RunFiles, others: Sequence[RunFiles]) -> Iterator[str]:
    small = [one.label for one in (run, *others) if len(one.accepted) < _FEW]
    if small:
        yield (
            f"{' and '.join(small)}: fewer than {_FEW} records; "
            "intervals from so few are rough, and other seeds may turn a verdict."
        )
    if others:
        yield "One run of each: the intervals are of draws from these runs, not of other runs."


def _of_cost(run: RunFiles) -> Iterator[str]:
    if run.cost.usd_reason and run.cost.calls:
        yield run.cost.usd_reason[:1].upper() + run.cost.usd_reason[1:] + "."
    trained = [run.directory.softsrv / "training", run.directory.root / "student"]
    if any(folder.exists() for folder in trained):
        yield "Cost counts model calls alone: training and scoring on this machine are not in it."


def _of_models(run: RunFiles) -> Iterator[str]:
    models = {name for record in run.accepted for name in record.generation.models.values()}
    if "embedded" in models:
        yield (
            "The embedded model is a toy that knows a few small domains of its own: its records "
            "show the machine at work, they are no training data for a real model."
        )
    checked = [record for record in run.accepted if record.checker]
    if len(checked) < len(run.accepted):
        unchecked = len(run.accepted) - len(checked)
        yield f"{unchecked:,} of {len(run.accepted):,} records were checked by no exact verifier."
