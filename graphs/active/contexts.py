"""SoftSRV in a round: contexts z chosen by the student's scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metasynth.blocking import Check
from metasynth.config.active import ActiveConfig, PoolConfig
from metasynth.graphs.softsrv.steering.steering import Steering
from metasynth.randomness import derive_seed, generator
from metasynth.student.rounds_folder import RoundFolder

from .pool import problem_of
from .rows import Selected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from metasynth.softsrv.baselines.task_templates import TaskTemplates
    from metasynth.student.contexts.adaptive_contexts import NextContext
    from metasynth.student.rows import StudentRow

_WITHOUT_SCORES = ("static", "random")


class Steered(NamedTuple):
    """SoftSRV as what makes the questions of rounds.

    Attributes:
        settings: The section of the run file.
        choice: Its part on the pool.
        steering: The frozen model and its soft prompt.
        templates: The prompts of its task, for answers.
        seed: The run's.
    """

    settings: ActiveConfig
    choice: PoolConfig
    steering: Steering
    templates: "TaskTemplates"
    seed: int

    @property
    def strategy(self) -> str:
        """The strategy of the arm: without scores, all contexts in turn or drawn evenly."""
        arm = self.settings.arm
        return arm if arm in _WITHOUT_SCORES else self.settings.contexts

    @property
    def goes_by_scores(self) -> bool:
        """Whether the strategy looks at scores."""
        return self.strategy not in _WITHOUT_SCORES


class ScoredContexts(NamedTuple):
    """Rows of the pool with their context vectors.

    Attributes:
        ids: Of the rows.
        scores: Their scores [N]; zeros where nothing was scored.
        z: Context vectors [N, d_e].
        clusters: The cluster of each [N].
    """

    ids: Sequence[str]
    scores: "NDArray[np.float64]"
    z: "NDArray[np.float32]"
    clusters: "NDArray[np.integer[Any]]"


def choose_contexts(
    steered: Steered,
    folder: RoundFolder,
    rows: "Sequence[StudentRow]",
    scores: Sequence[float] | None,
    count: int,
    check: Check,
    *,
    number: int,
    before: int,
) -> list[Selected]:
    """The contexts of a round's rows, in their order; written to the folder. Blocks.

    Args:
        rows: Those of the pool that may be chosen.
        scores: Theirs; None where the strategy looks at none.
        count: Rows that are asked for.
        number: The round.
        before: Rows that were asked for in earlier rounds, where A0 goes on.
    """
    pool = _contexts_of(steered, rows, scores, check)
    chosen = _choose(steered, pool, count, number=number, before=before)
    _write(folder.contexts, chosen, pool)
    return [
        Selected(
            place,
            tuple(pool.ids[row] for row in context.parents),
            None if scores is None else _score(pool, context),
            int(pool.clusters[context.parents[0]]),
        )
        for place, context in enumerate(chosen, start=1)
    ]


def read_contexts(path: Path) -> "dict[str, NDArray[Any]]":
    """The file of a round's contexts: `z` [rows, d_e], `pool` [N, d_e] and its `scores` [N]."""
    from safetensors.numpy import load_file

    arrays: dict[str, NDArray[Any]] = load_file(path)
    return arrays


def contexts_in_turn(steered: Steered, path: Path, count: int) -> "NDArray[np.float32]":
    """The first contexts of A0: the pool's in a shuffled order [count, d_e]."""
    pool = read_contexts(path)["pool"]
    order = list(range(len(pool)))
    generator(steered.seed, "contexts").shuffle(order)
    return pool[[order[place % len(order)] for place in range(count)]]


def _contexts_of(
    steered: Steered,
    rows: "Sequence[StudentRow]",
    scores: Sequence[float] | None,
    check: Check,
) -> ScoredContexts:
    """The contexts of rows by the soft prompt's own encoder; trains it where that is due."""
    import numpy as np

    from metasynth.vectors.cluster import kmeans_labels

    texts = [problem_of(row) for row in rows]
    z = steered.steering.artifact(check).encoder.encode(texts).float().cpu().numpy()
    count = min(steered.settings.clusters, len(rows))
    seed = derive_seed(steered.seed, "contexts", "clusters")
    labels = kmeans_labels(z.astype(np.float64), count, seed=seed).labels
    known = np.zeros(len(rows)) if scores is None else np.asarray(scores, dtype=np.float64)
    return ScoredContexts([row.id for row in rows], known, z, labels)


def _choose(
    steered: Steered, pool: ScoredContexts, count: int, *, number: int, before: int
) -> "list[NextContext]":
    from metasynth.student.contexts.adaptive_contexts import ContextOptions, next_contexts

    turns = steered.strategy == "static"
    rng = generator(steered.seed, "contexts", *(() if turns else (number,)))
    return next_contexts(
        steered.strategy,  # type: ignore[arg-type]
        pool.scores,
        pool.z,
        pool.clusters,
        count,
        rng,
        direction=steered.choice.selection.direction,
        options=ContextOptions(children=steered.choice.children),
        start=before if turns else 0,
    )


def _write(path: Path, contexts: "Sequence[NextContext]", pool: ScoredContexts) -> None:
    import numpy as np
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {
        "z": np.stack([context.z for context in contexts]).astype(np.float32),
        "pool": np.ascontiguousarray(pool.z),
        "scores": pool.scores,
    }
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(save(arrays))
    partial.replace(path)


def _score(pool: ScoredContexts, context: "NextContext") -> float:
    """The score of a context: of a mixture, its parents' in the same shares."""
    shares = (1.0,) if len(context.parents) == 1 else (context.lam, 1 - context.lam)
    pairs = zip(shares, context.parents, strict=True)
    return float(sum(share * pool.scores[row] for share, row in pairs))
