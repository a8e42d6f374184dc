"""The stage that chooses what a round asks with: seeds by the library's selection, or contexts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from metasynth.blocking import Check, in_thread
from metasynth.config.active import PoolConfig
from metasynth.config.student import SelectionConfig
from metasynth.student.rounds_folder import read_lines, write_lines
from metasynth.student.selection.strategy import STRATEGIES

from .contexts import choose_contexts
from .pool import problem_of
from .rows import Selected
from .workspace import ActiveWorkspace

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM
    from metasynth.student.rows import StudentRow


async def select_rows(workspace: ActiveWorkspace, check: Check) -> int:
    """Choose what the rows of the round are asked for with; how many different seeds or contexts.

    Raises:
        RequestError: The strategy cannot choose so many.
        BudgetEndedError: `check` raised it.
    """
    rounds = workspace.rounds
    with rounds.progress.stage("choosing"):
        rounds.selected = await in_thread(lambda checked: _selected(workspace, checked), check)
    return len({row.seed_ids for row in rounds.selected})


def _selected(workspace: ActiveWorkspace, check: Check) -> list[Selected]:
    """The lines of `selected.jsonl`, which is written where it is missing."""
    path, pool = workspace.rounds.here.selected, workspace.plan.pool
    if not path.exists():
        chosen = _choose(workspace, check)
        texts = ("\n\n".join(problem_of(pool.by_id[id_]) for id_ in row.seed_ids) for row in chosen)
        lines = zip(chosen, texts, strict=True)
        write_lines(path, ({**row._asdict(), "text": text} for row, text in lines))
    return [Selected.of(line) for line in read_lines(path)]


def _choose(workspace: ActiveWorkspace, check: Check) -> list[Selected]:
    plan, rounds = workspace.plan, workspace.rounds
    rows, scores = list(plan.pool.rows), None
    if workspace.goes_by_scores:
        known = {one.row_id: one.score for one in rounds.scored if one.score is not None}
        rows = [row for row in rows if row.id in known]
        scores = [known[row.id] for row in rows]
    if workspace.steered is not None:
        return choose_contexts(
            workspace.steered,
            rounds.here,
            rows,
            scores,
            workspace.asked,
            check,
            number=rounds.number,
            before=sum(plan.settings.plan[: rounds.number - 1]),
        )
    return select_seeds(
        rows,
        scores,
        workspace.asked,
        plan.choice,
        load=rounds.students.in_use,
        taken=_taken(workspace),
        seed=workspace.seed_for("selection", rounds.number),
    )


def _taken(workspace: ActiveWorkspace) -> "list[StudentRow]":
    """Seeds of the rounds before, each once."""
    rounds = workspace.rounds
    ids = {
        line["seed_ids"][0]: None
        for number in range(1, rounds.number)
        for line in read_lines(rounds.folder.round(number).selected)
    }
    return [workspace.plan.pool.by_id[id_] for id_ in ids]


def select_seeds(
    rows: "Sequence[StudentRow]",
    scores: Sequence[float] | None,
    count: int,
    config: PoolConfig,
    *,
    load: "Callable[[], LoadedLM]",
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
    known_scores: Sequence[float | None] = [None] * len(rows) if scores is None else scores
    known = dict(zip((row.id for row in rows), known_scores, strict=True))
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
    load: "Callable[[], LoadedLM]",
    taken: "Sequence[StudentRow]",
    seed: int,
) -> list[str]:
    from metasynth.student.selection.selection import select

    selection, vectors = config.selection, dict[str, Any]()
    needs = STRATEGIES[selection.strategy].needs
    ids = [row.id for row in rows]
    if "embeddings" in needs or selection.clusters is not None:
        ids, vectors["embeddings"] = _states(load(), rows)
        if taken and "embeddings" in needs:
            vectors["taken"] = _states(load(), taken)[1]
    if "gradients" in needs:
        top = config.scoring.top_tokens
        ids, vectors["gradients"] = _gradients(load(), rows, top)
        if taken:
            vectors["taken_gradients"] = _gradients(load(), taken, top)[1]
        if "embeddings" in vectors:
            kept = set(ids)
            ids, vectors["embeddings"] = _states(load(), [row for row in rows if row.id in kept])
    return select(
        ids,
        min(count, len(ids)),
        selection,
        scores=[known[id_] for id_ in ids],
        seeds_of=ids if selection.per_seed is not None else None,
        rng_seed=seed,
        **vectors,
    )


def _states(lm: "LoadedLM", rows: "Sequence[StudentRow]") -> tuple[list[str], Any]:
    from metasynth.student.selection.embeddings import embed_rows

    embedded, vectors = embed_rows(lm, rows)
    return embedded.ids, vectors


def _gradients(lm: "LoadedLM", rows: "Sequence[StudentRow]", top: int) -> tuple[list[str], Any]:
    from metasynth.student.selection.embeddings import embed_gradients

    embedded, vectors = embed_gradients(lm, rows, top_tokens=top)
    return embedded.ids, vectors
