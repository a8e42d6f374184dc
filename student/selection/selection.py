"""Which rows of a pool are taken: one function for every strategy of the run file.

The pool is put into the order of its ids first, so that the same rows are chosen, whatever order
they come in; equal values are decided by that order. All draws come from `rng_seed`. It computes on
one thread: how many there are would change the last digits, and with them who is the farthest.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metasynth.config.student import SelectionConfig
from metasynth.errors import RequestError
from metasynth.randomness import derive_seed
from metasynth.vectors.cluster import kmeans_labels, one_thread

from .allowance import Allowance
from .budgets import cluster_weights, proportional_budgets
from .gradients import GradientEmbeddings
from .pool import Integers, Points, Scores, SelectionPool
from .ranking import oriented
from .strategy import STRATEGIES, SelectionTask

_WORDS = {
    "scores": "score",
    "embeddings": "embedding",
    "gradients": "gradient",
    "seeds_of": "seed",
}


def select(
    ids: Sequence[str],
    n: int,
    config: SelectionConfig,
    *,
    scores: Scores | None = None,
    embeddings: Points | None = None,
    gradients: GradientEmbeddings | None = None,
    seeds_of: Sequence[str] | None = None,
    clusters_of: Sequence[int] | None = None,
    budgets: Sequence[int] | None = None,
    taken: Points | None = None,
    taken_gradients: GradientEmbeddings | None = None,
    rng_seed: int,
) -> list[str]:
    """The ids of `n` chosen rows, in the order of their choice.

    With clusters (`config.clusters`, or `clusters_of`), each has a budget in proportion to the
    mean of its oriented scores (to its size, where there are no scores), or the one given, and the
    strategy chooses inside. What a cluster cannot give, because seeds are capped, the strategy
    takes from all rows.

    Args:
        ids: Names of the pool's rows, all different.
        n: How many are taken.
        config: Strategy, direction, temperature, cap for each seed, clusters.
        scores: Of each row [N]. A row without one (None, NaN) must be left out of the pool: it is
            never chosen silently.
        embeddings: Of each row [N, d]: k-center, k-means, facility location, finding clusters.
        gradients: Of each row: BADGE and BAIT.
        seeds_of: The seed of each row, where `config.per_seed` caps them.
        clusters_of: The cluster of each row, from 0 up, where k-means is not to find them.
        budgets: Rows that each cluster of `clusters_of` gives (see `ucb_budgets`), `n` in all.
        taken: Embeddings [K, d] of what was taken before: k-center and facility location keep
            away from it.
        taken_gradients: Gradients of the same, for BADGE and BAIT.
        rng_seed: Decides every draw.

    Raises:
        RequestError: There are not `n` rows to choose, or what the strategy needs is missing.
    """
    pool = SelectionPool.of(
        ids,
        scores=scores,
        embeddings=embeddings,
        gradients=gradients,
        seeds_of=seeds_of,
        clusters_of=clusters_of,
    )
    _require_needed(pool, config)
    if pool.scores is not None:
        pool = replace(pool, scores=oriented(pool.scores, config.direction))
    allowance = Allowance(len(pool), seeds_of=pool.seeds_of, per_seed=config.per_seed)
    _require_room(n, allowance, config)
    seed = derive_seed(rng_seed, "selection", config.strategy)
    task = SelectionTask(pool, n, config, allowance, taken, taken_gradients, seed)
    with one_thread():
        labels = _labels(pool, config, rng_seed)
        if labels is None:
            rows = _choose(task)
        else:
            rows = _choose_by_cluster(task, labels, _budgets(task, labels, budgets))
    return [pool.ids[row] for row in rows]


def _choose(task: SelectionTask) -> list[int]:
    """Rows by the strategy alone."""
    if task.count == 0:
        return []
    name = task.config.strategy
    rows = STRATEGIES[name].choose(task)
    if len(rows) != task.count:
        raise RequestError(
            f"selection: strategy {name} chose {len(rows)} rows where {task.count} were asked for",
            code="bad_part",
        )
    return rows


def _choose_by_cluster(task: SelectionTask, labels: Integers, budgets: Integers) -> list[int]:
    """Rows of each cluster by the strategy, then what is still missing from all."""
    chosen: list[int] = []
    for label in np.flatnonzero(budgets):
        members = np.flatnonzero(labels == label)
        allowance = task.allowance.part(members)
        part = replace(
            task,
            pool=task.pool.take(members),
            count=min(int(budgets[label]), allowance.capacity),
            allowance=allowance,
            seed=derive_seed(task.seed, "cluster", int(label)),
        )
        rows = members[_choose(part)]
        task.allowance.close(rows)
        chosen += rows.tolist()
    rest = replace(task, count=task.count - len(chosen), seed=derive_seed(task.seed, "rest"))
    return chosen + _choose(rest)


def _labels(pool: SelectionPool, config: SelectionConfig, rng_seed: int) -> Integers | None:
    """The cluster of each row; None where the pool is not to be parted."""
    if pool.clusters_of is not None or config.clusters is None:
        return pool.clusters_of
    points = np.asarray(pool.embeddings, dtype=np.float64)
    seed = derive_seed(rng_seed, "selection", "clusters")
    return kmeans_labels(points, config.clusters, seed=seed).labels


def _budgets(task: SelectionTask, labels: Integers, given: Sequence[int] | None) -> Integers:
    """Rows that each cluster is to give, [C]."""
    sizes = np.bincount(labels)
    if given is None:
        weights = sizes.astype(np.float64)
        if task.pool.scores is not None:
            weights = cluster_weights(task.pool.scores, labels, clusters=len(sizes))
        return proportional_budgets(task.count, weights, sizes)
    budgets = np.asarray(given, dtype=np.int64)
    fits = len(budgets) == len(sizes) and bool(((budgets >= 0) & (budgets <= sizes)).all())
    if not fits or budgets.sum() != task.count:
        raise RequestError(
            f"selection: budgets {budgets.tolist()} do not part {task.count} rows among clusters "
            f"of {sizes.tolist()} rows",
            code="bad_budgets",
        )
    return budgets


def _require_needed(pool: SelectionPool, config: SelectionConfig) -> None:
    needs: dict[str, str] = dict.fromkeys(
        sorted(STRATEGIES[config.strategy].needs), f"strategy {config.strategy}"
    )
    if config.per_seed is not None:
        needs["seeds_of"] = f"per_seed: {config.per_seed}"
    if config.clusters is not None and pool.clusters_of is None:
        needs.setdefault("embeddings", f"clusters: {config.clusters}")
    for name, what in needs.items():
        if getattr(pool, name) is None:
            raise RequestError(
                f"selection: {what} needs the {_WORDS[name]} of every row, and none are given",
                code="missing_values",
            )


def _require_room(n: int, allowance: Allowance, config: SelectionConfig) -> None:
    if n < 0:
        raise RequestError(f"selection: {n} rows cannot be chosen", code="not_enough_rows")
    size, room = len(allowance.open), allowance.capacity
    if n > size:
        raise RequestError(
            f"selection: {n} rows cannot be chosen from a pool of {size}",
            hint="ask for fewer, or give a larger pool",
            code="not_enough_rows",
        )
    if n > room:
        raise RequestError(
            f"selection: {n} rows cannot be chosen from a pool of {size}: with at most "
            f"{config.per_seed} from one seed there are {room}",
            hint="raise active.pool.selection.per_seed, or ask for fewer",
            code="not_enough_rows",
        )
