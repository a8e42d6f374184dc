"""What a round came to: all that `round.json` says."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from metasynth.graphs.workspace import Workspace
from metasynth.randomness import derive_seed
from metasynth.records.record import Record
from metasynth.student.rounds_folder import RoundsFolder, place_of, read_json, read_lines

from . import figures
from .plan import ActivePlan
from .sampling import RoundSampling
from .selection import Selected

if TYPE_CHECKING:
    from metasynth.student.fidelity import Pair
    from metasynth.student.scoring.measures import Scored


class RoundTeller:
    """Gathers a round's figures from its files, the corpus and the ledger.

    Args:
        plan: What the run file says.
        folder: Where rounds lie.
        workspace: The run's.
        sampling: SoftSRV, where it makes the questions.
    """

    def __init__(
        self,
        plan: ActivePlan,
        folder: RoundsFolder,
        workspace: Workspace,
        sampling: RoundSampling | None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._workspace = workspace
        self._sampling = sampling

    def told(
        self,
        number: int,
        scored: "Sequence[Scored]",
        selected: Sequence[Selected],
        *,
        stopped_because: str,
    ) -> dict[str, Any]:
        """The figures of a round; blocks.

        Args:
            scored: The pool's scores; empty where nothing was scored.
            selected: What its rows were asked for with.
            stopped_because: Why it was cut short; "" where it was not.
        """
        corpus, settings = self._workspace.corpus, self._plan.settings
        assert settings.pool is not None
        folder = self._folder.round(number)
        spent = figures.spent(self._workspace.ledger)
        training = read_json(folder.trained / "training.json")
        return {
            "round": number,
            "arm": settings.arm,
            "generate": settings.generate,
            "criterion": settings.pool.scoring.criterion if scored else "",
            "asked": len(selected),
            **figures.of_records(
                records_of(number, corpus.records()), records_of(number, corpus.rejected_records())
            ),
            "seeds": figures.of_seeds(len(self._plan.pool.rows), scored, selected),
            "children": figures.of_scores(self._children(number)),
            "fidelity": self._fidelity([number]),
            "fidelity_so_far": self._fidelity(range(1, number + 1)),
            "gates": self._gates(number),
            "spent": figures.difference(spent, read_json(folder.began) or {}),
            "spent_in_all": spent,
            "copies_of_test": self._copies(number),
            "training": training["report"] if training is not None else None,
            "evaluation": read_json(folder.evaluation),
            "stopped_because": stopped_because,
        }

    def _copies(self, number: int) -> int:
        """Admitted copies of test rows, which a conductor's gate does not see: left untrained."""
        known = self._plan.contamination
        if known is None or self._plan.settings.generate != "conductor":
            return 0
        admitted = records_of(number, self._workspace.corpus.records())
        return sum(known.hits(record.body) is not None for record in admitted)

    def _children(self, number: int) -> "list[Scored]":
        from metasynth.student.scoring.measures import Scored

        path = self._folder.round(number).children
        return [Scored(**told) for told in read_lines(path)] if path.exists() else []

    def _pairs(self, number: int, *, by_cluster: bool = False) -> "list[Pair]":
        chosen = map(Selected.of, read_lines(self._folder.round(number).selected))
        places = {one.place: one for one in chosen}
        children = [
            (child, places[found[1]])
            for child in self._children(number)
            if (found := place_of(child.row_id)) is not None
        ]
        return figures.pairs_of(number, children, by_cluster=by_cluster)

    def _fidelity(self, rounds: Iterable[int]) -> dict[str, Any] | None:
        from metasynth.student.fidelity import score_fidelity

        pairs = [pair for number in rounds for pair in self._pairs(number)]
        if not pairs:
            return None
        seed = derive_seed(self._workspace.config.random_seed, "active", "fidelity")
        return figures.of_fidelity(score_fidelity(pairs, seed=seed))

    def _gates(self, number: int) -> list[dict[str, Any]]:
        if self._sampling is None:
            return []
        rounds = range(1, number + 1)
        pairs = [pair for one in rounds for pair in self._pairs(one, by_cluster=True)]
        found = self._sampling.gates(self._folder.round(number), pairs)
        return [figures.of_gate(gate) for gate in found]


def records_of(number: int, records: Iterable[Record]) -> list[Record]:
    """Those that a round asked for."""
    places = ((place_of(record.id), record) for record in records)
    return [record for found, record in places if found is not None and found[0] == number]
