"""The figures of a round, as `round.json` and the summary have them."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

from metasynth.records.record import Record

from .rows import Selected

if TYPE_CHECKING:
    from metasynth.memory.ledger import Ledger
    from metasynth.student.contexts.preconditions import Gate
    from metasynth.student.fidelity import Fidelity, Pair
    from metasynth.student.intervals import Interval
    from metasynth.student.scoring.measures import Scored

_JUDGE = "judge"


def spent(ledger: "Ledger") -> dict[str, Any]:
    """What calls have used up to now."""
    judged = ledger.totals_by_agent().get(_JUDGE)
    totals = ledger.totals()
    return {
        "calls": totals.calls,
        "tokens_in": totals.tokens_in,
        "tokens_out": totals.tokens_out,
        "tokens": totals.tokens,
        "judge_calls": judged.calls if judged else 0,
        "judge_tokens": judged.tokens if judged else 0,
        "usd": round(totals.usd, 8),
    }


def difference(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What was used since."""
    return {name: round(value - before[name], 8) for name, value in now.items()}


def record_counts(accepted: Sequence[Record], rejected: Sequence[Record]) -> dict[str, Any]:
    """How rows ended."""
    reasons = Counter((record.reason or "").partition(":")[0] for record in rejected)
    return {
        "accepted": len(accepted),
        "rejected": len(rejected),
        "reasons": dict(reasons.most_common()),
    }


def seed_summary(
    pool: int, scored: "Sequence[Scored]", selected: Sequence[Selected]
) -> dict[str, Any]:
    """What the student said of the pool, and of what was chosen from it."""
    return {
        "pool": pool,
        **score_summary(scored),
        "chosen": len({id_ for row in selected for id_ in row.seed_ids}),
        "median_chosen": rounded_median(row.score for row in selected),
    }


def score_summary(scored: "Iterable[Scored]") -> dict[str, Any]:
    """How many have a score, its median, and why the others have none."""
    results = list(scored)
    scores = [result.score for result in results if result.score is not None]
    reasons = Counter(result.reason for result in results if result.score is None)
    return {
        "scored": len(scores),
        "median": rounded_median(scores),
        "unscored": dict(reasons.most_common()),
    }


def rounded_median(scores: Iterable[float | None]) -> float | None:
    """The median of those that are there."""
    known = [score for score in scores if score is not None]
    return round(median(known), 6) if known else None


def fidelity_summary(fidelity: "Fidelity") -> dict[str, Any]:
    """How well scores of seeds predicted those of their children."""
    return {
        "by_set": numbers(fidelity.by_set),
        "sets": len(fidelity.cells),
        "by_point": numbers(fidelity.by_point),
        "children": fidelity.pairs,
        "siblings": numbers(fidelity.within),
        "families": fidelity.families,
    }


def gate_summary(gate: "Gate") -> dict[str, Any]:
    """A gate of adaptive contexts, with its interval."""
    return {**asdict(gate), "value": numbers(gate.value)}


def numbers(interval: "Interval") -> list[float | None]:
    """Value, low and high; null for what is not defined."""
    return [round(value, 6) if math.isfinite(value) else None for value in interval]


def parent_pairs(
    number: int, children: "Iterable[tuple[Scored, Selected]]", *, by_cluster: bool = False
) -> "list[Pair]":
    """Children with their parents, where both have a score.

    Args:
        number: The round, which is the set that parents were chosen in.
        children: Each with what it was asked for with.
        by_cluster: Whether sets are clusters of contexts instead.
    """
    from metasynth.student.fidelity import Pair

    pairs = []
    for child, parent in children:
        if parent.score is None or child.score is None:
            continue
        cell = f"cluster {parent.cluster}" if by_cluster else f"round {number}"
        # a context that is a mixture has a score of its own
        name = f"round {number}: {' + '.join(parent.seed_ids)}: {parent.score}"
        pairs.append(Pair(cell, name, parent.score, child.score))
    return pairs
