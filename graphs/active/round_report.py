"""The stage that writes down what a round came to: all that `round.json` holds."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from metasynth.student.rounds_folder import place_of, read_json, read_lines, write_json

from . import figures
from .gates import round_gates
from .rows import Selected
from .training import records_of
from .workspace import ActiveWorkspace

if TYPE_CHECKING:
    from metasynth.student.fidelity import Pair
    from metasynth.student.scoring.measures import Scored


async def write_report(workspace: ActiveWorkspace, stopped_because: str) -> None:
    """Write the figures of the round in work, gathered from its files, corpus and ledger.

    Args:
        stopped_because: Why it was cut short; "" where it was not.
    """

    def write() -> None:
        report = round_report(workspace, stopped_because=stopped_because)
        write_json(workspace.rounds.here.report, report)

    with workspace.rounds.progress.stage("writing the round down"):
        await asyncio.to_thread(write)


def round_report(workspace: ActiveWorkspace, *, stopped_because: str) -> dict[str, Any]:
    """The figures; reads files."""
    corpus, plan, rounds = workspace.corpus, workspace.plan, workspace.rounds
    number, folder = rounds.number, rounds.here
    spent = figures.spent(workspace.ledger)
    training = read_json(folder.trained / "training.json")
    admitted = records_of(number, corpus.records())
    rejected = records_of(number, corpus.rejected_records())
    return {
        "round": number,
        "arm": plan.settings.arm,
        "generate": plan.settings.generate,
        "criterion": plan.choice.scoring.criterion if rounds.scored else "",
        "asked": len(rounds.selected),
        **figures.record_counts(admitted, rejected),
        "seeds": figures.seed_summary(len(plan.pool.rows), rounds.scored, rounds.selected),
        "children": figures.score_summary(_children(workspace, number)),
        "fidelity": _fidelity(workspace, [number]),
        "fidelity_so_far": _fidelity(workspace, range(1, number + 1)),
        "gates": _gates(workspace),
        "spent": figures.difference(spent, read_json(folder.began) or {}),
        "spent_in_all": spent,
        "copies_of_test": _copies(workspace),
        "training": training["report"] if training is not None else None,
        "evaluation": read_json(folder.evaluation),
        "stopped_because": stopped_because,
    }


def _copies(workspace: ActiveWorkspace) -> int:
    """Admitted copies of test rows, which a conductor's gate does not see: left untrained."""
    contamination = workspace.plan.contamination
    if contamination is None or not workspace.plan.conducts:
        return 0
    admitted = records_of(workspace.rounds.number, workspace.corpus.records())
    return sum(contamination.hits(record.body) is not None for record in admitted)


def _children(workspace: ActiveWorkspace, number: int) -> "list[Scored]":
    from metasynth.student.scoring.measures import Scored

    path = workspace.rounds.folder.round(number).children
    return [Scored(**line) for line in read_lines(path)] if path.exists() else []


def _pairs(workspace: ActiveWorkspace, number: int, *, by_cluster: bool = False) -> "list[Pair]":
    lines = read_lines(workspace.rounds.folder.round(number).selected)
    parents = {row.place: row for row in map(Selected.of, lines)}
    children = [
        (child, parents[place[1]])
        for child in _children(workspace, number)
        if (place := place_of(child.row_id)) is not None
    ]
    return figures.parent_pairs(number, children, by_cluster=by_cluster)


def _fidelity(workspace: ActiveWorkspace, rounds: Iterable[int]) -> dict[str, Any] | None:
    from metasynth.student.fidelity import score_fidelity

    pairs = [pair for number in rounds for pair in _pairs(workspace, number)]
    if not pairs:
        return None
    return figures.fidelity_summary(score_fidelity(pairs, seed=workspace.seed_for("fidelity")))


def _gates(workspace: ActiveWorkspace) -> list[dict[str, Any]]:
    if workspace.steered is None:
        return []
    rounds = workspace.rounds
    pairs = [
        pair
        for number in range(1, rounds.number + 1)
        for pair in _pairs(workspace, number, by_cluster=True)
    ]
    return [
        figures.gate_summary(gate) for gate in round_gates(workspace.steered, rounds.here, pairs)
    ]
