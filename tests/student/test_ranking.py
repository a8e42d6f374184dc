"""Choosing by scores: directions, ranks, draws without replacement."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.ranking import (
    gumbel_order,
    oriented,
    rank_normalised,
)
from metasynth.student.selection.strategies.softmax import choose_softmax
from metasynth.student.selection.strategies.top import choose_top

FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
SCORES = st.lists(FINITE, min_size=1, max_size=20).map(np.array)


def test_the_middle_is_near_the_median() -> None:
    scores = np.array([1.0, 2.0, 4.0, 8.0, 100.0])
    assert oriented(scores, "middle").tolist() == [-3, -2, 0, -4, -96]
    assert oriented(scores, "low").tolist() == (-scores).tolist()


def test_ranks_lie_between_zero_and_one_and_share_ties() -> None:
    assert rank_normalised(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [0.5, 0.125, 0.5, 0.875]
    assert rank_normalised(np.zeros(0)).tolist() == []


@given(SCORES)
def test_ranks_do_not_depend_on_the_unit(scores: np.ndarray) -> None:
    ranks = rank_normalised(scores)
    assert ((ranks > 0) & (ranks < 1)).all()
    assert np.array_equal(ranks, rank_normalised(2 * scores + 1))
    assert np.array_equal(ranks, rank_normalised(np.cbrt(scores)))
    assert np.allclose(1 - ranks, rank_normalised(-scores))


@given(SCORES, st.integers(0, 2**32))
def test_without_temperature_draws_are_the_ranking(scores: np.ndarray, seed: int) -> None:
    order = gumbel_order(scores, temperature=0, rng=np.random.default_rng(seed))
    assert order.tolist() == np.argsort(-scores, kind="stable").tolist()
    size = len(scores)
    cold = choose_softmax(
        scores, size, Allowance(size), temperature=1e-12, rng=np.random.default_rng(seed)
    )
    assert scores[cold].tolist() == scores[choose_top(scores, size, Allowance(size))].tolist()


def test_draws_follow_the_softmax_without_replacement() -> None:
    rng = np.random.default_rng(0)
    keys, temperature, trials = np.array([0.0, 1.0, 2.0]), 0.7, 6000
    counts = dict.fromkeys(permutations(range(3)), 0)
    for _ in range(trials):
        first, second, third = gumbel_order(keys, temperature=temperature, rng=rng).tolist()
        counts[first, second, third] += 1
    chance = np.exp(keys / temperature)
    for order, count in counts.items():
        expected = chance[order[0]] / chance.sum() * chance[order[1]] / chance[[*order[1:]]].sum()
        deviation = np.sqrt(expected * (1 - expected) / trials)
        assert count / trials == pytest.approx(expected, abs=4.5 * deviation)


def test_a_temperature_means_the_same_for_every_unit() -> None:
    scores = np.random.default_rng(0).normal(size=20)
    drawn = [
        choose_softmax(unit * scores, 5, Allowance(20), temperature=1, rng=np.random.default_rng(1))
        for unit in (1.0, 1e-3, 1e5)
    ]
    assert drawn[0] == drawn[1] == drawn[2]


def test_equal_scores_are_drawn_uniformly() -> None:
    rng = np.random.default_rng(0)
    drawn = [
        choose_softmax(np.ones(3), 1, Allowance(3), temperature=1, rng=rng)[0] for _ in range(300)
    ]
    assert np.bincount(drawn).min() > 60
