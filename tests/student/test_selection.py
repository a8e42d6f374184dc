"""Selection: the same rows in whatever order they come, seeded, capped, clear where it cannot."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.config.student import SelectionConfig
from metasynth.errors import RequestError
from metasynth.student.selection.gradients import GradientEmbeddings
from metasynth.student.selection.selection import select
from metasynth.student.selection.strategy import STRATEGIES
from tests.raising import raises


def pool(rows: int, *, seed: int = 0, doubles: bool = True) -> dict[str, Any]:
    """Everything that is known of `rows` rows; values repeat, so that there are ties."""
    rng = np.random.default_rng(seed)
    which = rng.integers(max(rows // 2, 1), size=rows) if doubles else np.arange(rows)
    q = rng.dirichlet(np.ones(5), size=rows)
    q[:, 0] -= 1
    gradients = GradientEmbeddings(
        q=q.astype(np.float32)[which],
        token_ids=np.tile(np.arange(5, dtype=np.int32), (rows, 1)),
        label_column=np.zeros(rows, dtype=np.int32),
        h=rng.normal(size=(rows, 3)).astype(np.float32)[which],
        starts=np.arange(rows + 1),
    )
    return {
        "ids": [f"row-{number}" for number in rng.permutation(rows)],
        "scores": rng.normal(size=rows).round(1)[which],
        "embeddings": rng.normal(size=(rows, 3)).round(1)[which],
        "gradients": gradients,
        "seeds_of": [f"seed-{number}" for number in rng.integers(max(rows // 3, 1), size=rows)],
        "clusters_of": rng.integers(3, size=rows).tolist(),
    }


def shuffled(given: dict[str, Any], order: list[int]) -> dict[str, Any]:
    """The same rows in another order."""
    return {
        name: values.take(order)
        if isinstance(values, GradientEmbeddings)
        else values[order]
        if isinstance(values, np.ndarray)
        else [values[row] for row in order]
        for name, values in given.items()
    }


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES.builtin())
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_the_pools_order_does_not_matter(
    strategy: str, clustered: bool, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(1, 14))
    given_pool = pool(rows, seed=data.draw(st.integers(0, 9)))
    config = SelectionConfig(
        strategy=strategy,
        direction=data.draw(st.sampled_from(["high", "low", "middle"])),
        per_seed=data.draw(st.sampled_from([None, 2])),
    )
    if not clustered:
        del given_pool["clusters_of"]
    counts = Counter(given_pool["seeds_of"]).values()
    room = sum(min(count, config.per_seed or count) for count in counts)
    n = data.draw(st.integers(0, room))
    chosen = select(n=n, config=config, rng_seed=3, **given_pool)
    assert len(set(chosen)) == n
    assert set(chosen) <= set(given_pool["ids"])
    if config.per_seed is not None:
        seed_of = dict(zip(given_pool["ids"], given_pool["seeds_of"], strict=True))
        assert max(Counter(seed_of[one] for one in chosen).values(), default=0) <= 2
    again = shuffled(given_pool, data.draw(st.permutations(range(rows))))
    assert select(n=n, config=config, rng_seed=3, **again) == chosen


@pytest.mark.parametrize("strategy", ["softmax", "random", "badge"])
def test_draws_come_from_the_seed(strategy: str) -> None:
    given_pool = pool(30, doubles=False)
    del given_pool["clusters_of"]
    config = SelectionConfig(strategy=strategy)
    drawn = [tuple(select(n=5, config=config, rng_seed=seed, **given_pool)) for seed in range(20)]
    again = [tuple(select(n=5, config=config, rng_seed=seed, **given_pool)) for seed in range(20)]
    assert drawn == again
    assert len(set(drawn)) > 10


@pytest.mark.parametrize(
    ("direction", "chosen"),
    [("high", ["e", "d"]), ("low", ["a", "b"]), ("middle", ["c", "b"])],
)
def test_top_takes_the_high_the_low_or_the_middle(direction: Any, chosen: list[str]) -> None:
    config = SelectionConfig(direction=direction)
    scores = {"c": 3.0, "a": -1.0, "e": 100.0, "b": 2.0, "d": 9.0}
    assert select(list(scores), 2, config, scores=list(scores.values()), rng_seed=0) == chosen


def test_equal_scores_are_decided_by_id() -> None:
    assert select(["b", "c", "a"], 2, SelectionConfig(), scores=[1, 1, 1], rng_seed=0) == ["a", "b"]


def test_a_budget_follows_the_mean_score_of_a_cluster() -> None:
    ids = [f"{number:02}" for number in range(30)]
    clusters = [number // 10 for number in range(30)]
    scores = [(1.0, 2.0, 5.0)[cluster] for cluster in clusters]
    config = SelectionConfig(strategy="random")
    chosen = select(ids, 8, config, scores=scores, clusters_of=clusters, rng_seed=0)
    assert Counter(int(one) // 10 for one in chosen) == {0: 1, 1: 2, 2: 5}
    budgets = [6, 0, 2]
    chosen = select(ids, 8, config, clusters_of=clusters, budgets=budgets, rng_seed=0)
    assert Counter(int(one) // 10 for one in chosen) == {0: 6, 2: 2}
    chosen = select(ids, 6, config, clusters_of=clusters, rng_seed=0)
    assert Counter(int(one) // 10 for one in chosen) == {0: 2, 1: 2, 2: 2}  # by size


def test_clusters_are_found_in_the_embeddings() -> None:
    embeddings = np.repeat(np.eye(3) * 10, 10, axis=0) + np.random.default_rng(0).normal(
        size=(30, 3)
    )
    ids = [f"{number:02}" for number in range(30)]
    config = SelectionConfig(strategy="random", clusters=3)
    chosen = select(ids, 9, config, embeddings=embeddings, rng_seed=0)
    assert Counter(int(one) // 10 for one in chosen) == {0: 3, 1: 3, 2: 3}


def test_what_a_capped_cluster_cannot_give_comes_from_the_others() -> None:
    ids = [f"{number:02}" for number in range(12)]
    scores = [100.0] * 6 + [1.0] * 6
    clusters = [0] * 6 + [1] * 6
    seeds = ["one"] * 6 + list("abcdef")
    config = SelectionConfig(per_seed=2)
    chosen = select(ids, 6, config, scores=scores, clusters_of=clusters, seeds_of=seeds, rng_seed=0)
    assert chosen == ["00", "01", "06", "07", "08", "09"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"n": 5}, "not_enough_rows", "pool of 3"),
    ({"n": -1}, "not_enough_rows", "-1"),
    ({"scores": [1.0, float("nan"), 2.0]}, "bad_values", "'b'"),
    ({"scores": [1.0, None, None]}, "bad_values", "'b', 'c'"),
    ({"scores": [float("inf"), 1.0, 2.0]}, "bad_values", "'a'"),
    ({"scores": None}, "missing_values", "strategy top"),
    (
        {"config": SelectionConfig(strategy="k_center")},
        "missing_values",
        "strategy k_center",
    ),
    ({"config": SelectionConfig(strategy="badge")}, "missing_values", "strategy badge"),
    ({"config": SelectionConfig(clusters=2)}, "missing_values", "clusters: 2"),
    ({"config": SelectionConfig(per_seed=1)}, "missing_values", "per_seed: 1"),
    (
        {"config": SelectionConfig(per_seed=1), "seeds_of": ["s", "s", "s"]},
        "not_enough_rows",
        "1",
    ),
    ({"ids": ["a", "b", "a"]}, "duplicate_id", "'a'"),
    ({"clusters_of": [0, 0, 1], "budgets": [0, 2]}, "bad_budgets", "budgets"),
    ({"clusters_of": [0, 0, 1], "budgets": [2, 1]}, "bad_budgets", "budgets"),
    (
        {"embeddings": np.array([[1.0], [2.0], [np.nan]])},
        "bad_values",
        "'c'",
    ),
]


@pytest.mark.parametrize(("change", "code", "names"), REFUSED)
def test_a_selection_that_cannot_be_made_says_why(
    change: dict[str, Any], code: str, names: str
) -> None:
    asked = {"ids": ["a", "b", "c"], "n": 2, "config": SelectionConfig(), "scores": [1.0, 2.0, 3.0]}
    with raises(RequestError, code, names):
        select(**{**asked, **change}, rng_seed=0)


def test_rows_that_do_not_match_the_ids_are_a_defect() -> None:
    with pytest.raises(ValueError, match="scores of 1 rows"):
        select(["a", "b"], 1, SelectionConfig(), scores=[1.0], rng_seed=0)
