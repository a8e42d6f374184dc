"""Whether parents' scores tell their children's: by set, by point, with intervals."""

import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.student.fidelity import Pair, intraclass_correlation, score_fidelity
from metasynth.student.intervals import bootstrap, difference, share, spearman


def world(
    *, cells: int = 12, parents: int = 20, children: int = 4, by_set: float, by_point: float
) -> list[Pair]:
    """Children follow their set's level and their parent's part of it by so much."""
    rng = np.random.default_rng(0)
    pairs = []
    for cell in range(cells):
        level = rng.normal()
        for parent in range(parents):
            own = rng.normal()
            for _ in range(children):
                child = by_set * level + by_point * own + rng.normal()
                pairs.append(Pair(f"set {cell}", f"p{cell}-{parent}", level + own, child))
    return pairs


def test_scores_may_survive_by_set_and_not_by_point() -> None:
    found = score_fidelity(world(by_set=2.0, by_point=0.0), seed=0)
    assert found.by_set.low > 0.5
    assert found.by_point.value < found.by_set.value
    only = score_fidelity(world(cells=1, parents=200, by_set=2.0, by_point=0.0), seed=0)
    assert only.by_point.low < 0 < only.by_point.high
    assert only.within.high < 0.2
    assert len(found.cells) == 12
    assert (found.pairs, found.families) == (960, 240)


def test_children_of_one_parent_are_alike_where_points_survive() -> None:
    found = score_fidelity(world(by_set=0.0, by_point=3.0), seed=0)
    assert found.by_point.low > 0.4
    assert found.within.value == pytest.approx(9 / 10, abs=0.05)
    assert found.within.low < found.within.value < found.within.high


def test_with_few_sets_the_interval_says_that_nothing_is_known() -> None:
    found = score_fidelity(world(cells=3, by_set=2.0, by_point=0.0), seed=0)
    assert (found.by_set.low, found.by_set.high) == (-1, 1)
    assert len(found.cells) == 3
    assert "over 3 cells" in str(found)


def test_with_few_children_there_is_no_intraclass_correlation() -> None:
    found = score_fidelity(world(children=3, by_set=1.0, by_point=1.0), seed=0)
    assert found.families == 0
    assert np.isnan(found.within.value)
    assert np.isnan(score_fidelity([], seed=0).by_point.value)


def test_medians_count_a_parent_once() -> None:
    pairs = [Pair("a", "p", 1.0, score) for score in (1.0, 2.0, 9.0)]
    pairs += [Pair("a", "q", 5.0, 3.0), Pair("b", "p", 7.0, 4.0)]
    first, second = score_fidelity(pairs, seed=0).cells
    assert first == ("a", 2, 4, 3.0, 2.5)
    assert second == ("b", 1, 1, 7.0, 4.0)


def test_the_order_of_pairs_does_not_matter() -> None:
    pairs = world(by_set=1.0, by_point=1.0)
    mixed = list(pairs)
    random.Random(0).shuffle(mixed)
    assert score_fidelity(mixed, seed=1) == score_fidelity(pairs, seed=1)


@pytest.mark.parametrize(
    "pairs",
    [[Pair("a", "p", float("nan"), 1.0)], [Pair("a", "p", 1.0, 1.0), Pair("a", "p", 2.0, 1.0)]],
)
def test_scores_that_cannot_be_are_a_defect(pairs: list[Pair]) -> None:
    with pytest.raises(ValueError, match="'p'"):
        score_fidelity(pairs, seed=0)


def test_intraclass_correlation_by_hand() -> None:
    families = [np.array([1.0, 3.0]), np.array([5.0, 7.0])]
    # between: 2 * 2 * 2² / 1 = 16, inside: (2 + 2) / 2 = 2
    assert intraclass_correlation(families) == pytest.approx((16 - 2) / (16 + 2))
    assert intraclass_correlation([np.ones(3), np.full(2, 4.0)]) == 1
    assert np.isnan(intraclass_correlation([np.ones(4)]))
    assert np.isnan(intraclass_correlation([np.ones(4), np.ones(4)]))


def test_spearman_by_hand() -> None:
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 4, 9, 16])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2, 3]), np.array([3.0, 1, 2])) == pytest.approx(-0.5)
    ties = spearman(np.array([1.0, 1, 2, 3]), np.array([1.0, 2, 3, 4]))  # ranks 1.5 1.5 3 4
    assert ties == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))
    assert np.isnan(spearman(np.full(7, 0.1), np.arange(7.0)))


@given(st.integers(0, 50), st.integers(0, 50))
def test_shares_lie_in_their_intervals(hits: int, misses: int) -> None:
    found = share(hits, hits + misses)
    assert 0 <= found.low <= found.high <= 1
    if hits + misses:
        assert found.low <= found.value <= found.high
        apart = difference(found, share(misses, hits + misses))
        assert -1 <= apart.low <= apart.value <= apart.high <= 1


def test_intervals_of_shares_by_the_published_examples() -> None:
    assert share(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe 1998, table I
    found = difference(share(56, 70), share(48, 80))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)  # 1998 (two samples), table II


def test_a_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        values = rng.normal(size=60)

        def mean(
            rows: npt.NDArray[np.integer[Any]], values: npt.NDArray[np.float64] = values
        ) -> float:
            return float(values[rows].mean())

        found = bootstrap(mean, 60, seed=trial, resamples=200)
        covered += found.low < 0 < found.high
    assert 85 <= covered <= 100
