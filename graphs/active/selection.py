"""Which seeds a round asks with: all by the library's selection, on the student's own scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from metasynth.config.active import PoolConfig
from metasynth.config.student import SelectionConfig
from metasynth.student.selection.strategy import STRATEGIES

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM
    from metasynth.student.rows import StudentRow


class Selected(NamedTuple):
    """What a row is asked for with.

    Attributes:
        place: Of the row in its round, from 1 up.
        seed_ids: Rows of the pool; two where SoftSRV mixes their contexts.
        score: Of the seed when it was chosen; None where nothing was scored.
        cluster: Of the first seed's context; -1 without SoftSRV.
    """

    place: int
    seed_ids: tuple[str, ...]
    score: float | None
    cluster: int = -1

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Selected":
        """From a line of `selected.jsonl`."""
        return cls(told["place"], tuple(told["seed_ids"]), told["score"], told["cluster"])


def select_seeds(
    rows: "Sequence[StudentRow]",
    scores: Sequence[float] | None,
    count: int,
    config: PoolConfig,
    *,
    load: "Any",
    taken: "Sequence[StudentRow]",
    seed: int,
) -> list[Selected]:
    """The seeds of `count` rows, each of them asked with equally often; blocks.

    Args:
        rows: Those of the pool that may be chosen.
        scores: Theirs, by the student; None chooses at random.
        count: Rows that are asked for.
        config: Strategy, direction, children of a seed.
        load: Gives the student, where its vectors are needed.
        taken: Seeds of earlier rounds, which k-center, facility location, BADGE and BAIT avoid.
        seed: Decides every draw.

    Raises:
        RequestError: The strategy cannot choose so many.
    """
    from metasynth.student.selection.selection import select

    wanted = min(-(-count // config.children), len(rows))
    found: Sequence[float | None] = [None] * len(rows) if scores is None else scores
    known = dict(zip((row.id for row in rows), found, strict=True))
    if scores is None:
        random = SelectionConfig(strategy="random")
        chosen = select(list(known), wanted, random, rng_seed=seed)
    else:
        chosen = _chosen(rows, known, wanted, config, load=load, taken=taken, seed=seed)
    return [
        Selected(place + 1, (chosen[place % len(chosen)],), known[chosen[place % len(chosen)]])
        for place in range(count)
    ]


def _chosen(
    rows: "Sequence[StudentRow]",
    known: dict[str, Any],
    count: int,
    config: PoolConfig,
    *,
    load: Any,
    taken: "Sequence[StudentRow]",
    seed: int,
) -> list[str]:
    from metasynth.student.selection.selection import select

    selection, given = config.selection, dict[str, Any]()
    needs = STRATEGIES[selection.strategy].needs
    ids = [row.id for row in rows]
    if "embeddings" in needs or selection.clusters is not None:
        ids, given["embeddings"] = _states(load(), rows)
        if taken and "embeddings" in needs:
            given["taken"] = _states(load(), taken)[1]
    if "gradients" in needs:
        top = config.scoring.top_tokens
        ids, given["gradients"] = _gradients(load(), rows, top)
        if taken:
            given["taken_gradients"] = _gradients(load(), taken, top)[1]
        if "embeddings" in given:
            kept = set(ids)
            ids, given["embeddings"] = _states(load(), [row for row in rows if row.id in kept])
    return select(
        ids,
        min(count, len(ids)),
        selection,
        scores=[known[id_] for id_ in ids],
        seeds_of=ids if selection.per_seed is not None else None,
        rng_seed=seed,
        **given,
    )


def _states(lm: "LoadedLM", rows: "Sequence[StudentRow]") -> tuple[list[str], Any]:
    from metasynth.student.selection.embeddings import embed_rows

    told, vectors = embed_rows(lm, rows)
    return told.ids, vectors


def _gradients(lm: "LoadedLM", rows: "Sequence[StudentRow]", top: int) -> tuple[list[str], Any]:
    from metasynth.student.selection.embeddings import embed_gradients

    told, vectors = embed_gradients(lm, rows, top_tokens=top)
    return told.ids, vectors
