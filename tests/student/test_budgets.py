"""Budgets of clusters: in proportion, within what they hold, and learnt over rounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.budgets import (
    ClusterScores,
    cluster_weights,
    proportional_budgets,
    thompson_budgets,
    ucb_budgets,
)

CLUSTERS = st.lists(
    st.tuples(st.floats(0, 1e6), st.integers(0, 20), st.integers(0, 5)), min_size=1, max_size=8
)


@given(CLUSTERS, st.data())
def test_every_budget_is_spent_within_what_clusters_hold(
    clusters: list[tuple[float, int, int]], data: st.DataObject
) -> None:
    weights = np.array([weight for weight, _, _ in clusters])
    capacities = np.array([size for _, size, _ in clusters])
    seen = ClusterScores.empty(len(clusters))
    labels = np.repeat(np.arange(len(clusters)), [count for _, _, count in clusters])
    seen = seen.observe(labels, weights[labels])
    n = data.draw(st.integers(0, int(capacities.sum())))
    rng = np.random.default_rng(0)
    for budgets in (
        proportional_budgets(n, weights, capacities),
        ucb_budgets(n, seen, capacities),
        thompson_budgets(n, seen, capacities, rng=rng),
    ):
        assert budgets.sum() == n
        assert (budgets >= 0).all()
        assert (budgets <= capacities).all()


def test_shares_are_in_proportion_by_largest_remainders() -> None:
    plenty = np.full(3, 100)
    assert proportional_budgets(10, np.array([1.0, 2.0, 2.0]), plenty).tolist() == [2, 4, 4]
    assert proportional_budgets(2, np.ones(3), plenty).tolist() == [1, 1, 0]
    assert proportional_budgets(5, np.array([0.0, 1.0, 0.0]), plenty).tolist() == [0, 5, 0]
    assert proportional_budgets(4, np.zeros(3), plenty).tolist() == [2, 1, 1]


def test_what_a_full_cluster_cannot_take_goes_to_the_others() -> None:
    weights, capacities = np.array([8.0, 1.0, 1.0, 0.0]), np.array([2, 9, 9, 9])
    assert proportional_budgets(10, weights, capacities).tolist() == [2, 4, 4, 0]
    assert proportional_budgets(25, weights, capacities).tolist() == [2, 9, 9, 5]


def test_weights_are_mean_scores_from_zero_or_from_the_smallest() -> None:
    labels = np.array([0, 0, 2])
    positive = np.array([1.0, 3.0, 5.0])
    assert cluster_weights(positive, labels, clusters=4).tolist() == [2, 0, 5, 0]
    assert cluster_weights(-positive, labels, clusters=4).tolist() == [3, 0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-100, 100)), max_size=30), st.data())
def test_rounds_add_up_however_observations_come(
    observed: list[tuple[int, float]], data: st.DataObject
) -> None:
    labels = np.array([label for label, _ in observed], dtype=np.intp)
    keys = np.array([key for _, key in observed])
    once = ClusterScores.empty(4).observe(labels, keys)
    cut = data.draw(st.integers(0, len(observed)))
    twice = (
        ClusterScores.empty(4).observe(labels[cut:], keys[cut:]).observe(labels[:cut], keys[:cut])
    )
    for scores in (once, twice):
        for label in range(4):
            own = keys[labels == label]
            assert scores.counts[label] == len(own)
            assert scores.means[label] == pytest.approx(own.mean() if len(own) else 0, abs=1e-9)
            assert scores.squares[label] == pytest.approx(
                len(own) * own.var() if len(own) else 0, abs=1e-6
            )


def known(means: list[float], count: int, *, spread: float = 1.0) -> ClusterScores:
    """Clusters seen `count` times each, with the given means."""
    labels = np.repeat(np.arange(len(means)), count)
    offsets = np.tile([spread, -spread], len(labels))[: len(labels)]
    return ClusterScores.empty(len(means)).observe(labels, np.array(means)[labels] + offsets)


def test_a_cluster_never_seen_is_tried_first_by_the_bound() -> None:
    seen = ClusterScores.empty(3).observe(np.array([0, 0, 2]), np.array([5.0, 6.0, 4.0]))
    assert ucb_budgets(1, seen, np.full(3, 9)).tolist() == [0, 1, 0]


def test_both_spend_on_what_is_known_to_be_better_and_still_try_the_rest() -> None:
    seen, plenty = known([0.0, 1.0, 0.0], 4), np.full(3, 1000)
    rng = np.random.default_rng(0)
    few, many = (ucb_budgets(n, seen, plenty) for n in (5, 500))
    assert few.argmax() == many.argmax() == 1
    assert (many > 0).all()
    drawn = thompson_budgets(500, seen, plenty, rng=rng)
    assert drawn.argmax() == 1
    assert (drawn > 0).all()
    sure = thompson_budgets(500, known([0.0, 1.0, 0.0], 400, spread=0.1), plenty, rng=rng)
    assert sure.tolist() == [0, 500, 0]


def test_over_rounds_the_better_cluster_gets_most() -> None:
    truth = np.array([0.0, 0.5, 1.5])
    for bandit in ("ucb", "thompson"):
        rng, seen = np.random.default_rng(0), ClusterScores.empty(3)
        spent = np.zeros(3)
        for _ in range(10):
            if bandit == "ucb":
                budgets = ucb_budgets(20, seen, np.full(3, 100))
            else:
                budgets = thompson_budgets(20, seen, np.full(3, 100), rng=rng)
            labels = np.repeat(np.arange(3), budgets)
            seen = seen.observe(labels, rng.normal(truth[labels], 1.0))
            spent += budgets
        assert spent[2] > 120


def test_more_than_there_is_room_for_is_a_defect() -> None:
    seen, full = ClusterScores.empty(2), np.array([1, 1])
    with pytest.raises(ValueError, match="do not fit"):
        proportional_budgets(3, np.ones(2), full)
    with pytest.raises(ValueError, match="do not fit"):
        ucb_budgets(3, seen, full)
    with pytest.raises(ValueError, match="do not fit"):
        thompson_budgets(3, seen, full, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="negative"):
        proportional_budgets(1, np.array([-1.0, 1.0]), full)
    with pytest.raises(ValueError, match="not a finite number"):
        seen.observe(np.array([0]), np.array([np.nan]))


def test_parts_of_an_allowance_share_what_is_left_of_a_seed() -> None:
    whole = Allowance(4, seeds_of=["s", "s", "s", "t"], per_seed=2)
    assert whole.capacity == 3
    part = whole.part(np.array([0, 3]))
    assert part.take_open([0, 1], 2) == [0, 1]
    whole.close(np.array([0, 3]))
    assert whole.open.tolist() == [False, True, True, False]
    assert whole.capacity == 1
    apart = whole.copy()
    apart.take(1)
    assert whole.is_open(1)
    assert not apart.is_open(2)
    with pytest.raises(ValueError, match="used up"):
        apart.take(2)
