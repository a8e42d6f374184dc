"""Covering choices: the same as the plain greedy ones, without all distances at once."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.strategies.facility_location import facility_location
from metasynth.student.selection.strategies.k_center import k_center
from metasynth.student.selection.strategies.k_means import k_means

Floats = NDArray[np.float64]


def normal(rows: int, width: int, *, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, width))


def all_distances(points: Floats, others: Floats) -> Floats:
    squares: Floats = ((points[:, None] - others[None]) ** 2).sum(-1)
    return squares


def plain_k_center(points: Floats, n: int, taken: Floats | None = None) -> list[int]:
    """Farthest first by all distances."""
    chosen: list[int] = []
    if taken is None:
        chosen = [int(all_distances(points, points.mean(0)[None])[:, 0].argmin())]
    while len(chosen) < n:
        centres = np.concatenate([points[chosen], *([] if taken is None else [taken])])
        nearest = all_distances(points, centres).min(1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


def radius(points: Floats, chosen: list[int]) -> float:
    return float(np.sqrt(all_distances(points, points[chosen]).min(1).max()))


def facility_values(points: Floats, chosen: list[int]) -> Floats:
    """What is covered with each row as the next one, [N], by the whole matrix."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    similarity = (1 + unit @ unit.T) / 2
    return np.array([similarity[[*chosen, row]].max(0).sum() for row in range(len(points))])


@pytest.mark.parametrize("seed", range(5))
def test_k_center_is_farthest_first_by_brute_force(seed: int) -> None:
    points = normal(12, 3, seed=seed)
    assert k_center(points, 12, Allowance(12)) == plain_k_center(points, 12)


@pytest.mark.parametrize("seed", range(5))
def test_k_center_is_at_most_twice_the_best_radius(seed: int) -> None:
    points = normal(12, 3, seed=seed)
    best = min(radius(points, list(chosen)) for chosen in combinations(range(12), 4))
    assert radius(points, k_center(points, 4, Allowance(12))) <= 2 * best


@pytest.mark.parametrize("front", [1, 3, 17, 4096])
@pytest.mark.parametrize("width", [1, 2, 20])
def test_k_center_is_the_same_however_few_rows_it_looks_at(front: int, width: int) -> None:
    points = np.round(normal(60, width))  # many equal distances and equal points
    points -= points.mean(0).round()
    assert k_center(points, 60, Allowance(60), front=front) == plain_k_center(points, 60)


def test_k_center_keeps_away_from_what_is_taken() -> None:
    points, taken = normal(12, 2), normal(4, 2, seed=1)
    assert k_center(points, 5, Allowance(12), taken=taken) == plain_k_center(points, 5, taken)
    line = np.array([[0.0], [1.0], [10.0]])
    assert k_center(line, 1, Allowance(3), taken=np.array([[10.0]])) == [0]
    assert k_center(line, 1, Allowance(3), taken=np.zeros((0, 1))) == [1]  # nearest the mean


def test_equal_points_come_last_though_rounding_would_part_them() -> None:
    points = np.repeat(normal(4, 50, seed=3) * 1e3, 3, axis=0).astype(np.float32)
    chosen = k_center(points, 12, Allowance(12))
    assert {row // 3 for row in chosen[:4]} == {0, 1, 2, 3}
    assert chosen[4:] == sorted(chosen[4:])


def test_a_cap_holds_while_the_farthest_are_taken() -> None:
    seeds = ["a"] * 6 + ["b"] * 6
    points = normal(12, 3)
    points[:6] *= 100  # all of the farthest have one seed
    chosen = k_center(points, 4, Allowance(12, seeds_of=seeds, per_seed=2))
    assert sorted(seeds[row] for row in chosen) == ["a", "a", "b", "b"]


@pytest.mark.parametrize("candidates", [1, 4, 256])
@pytest.mark.parametrize("seed", range(3))
def test_lazy_facility_location_is_the_plain_greedy_one(seed: int, candidates: int) -> None:
    points = normal(30, 4, seed=seed)
    rng = np.random.default_rng(0)
    chosen = facility_location(points, 10, Allowance(30), rng=rng, candidates=candidates)
    for step, row in enumerate(chosen):  # two that cover each other tie but for rounding
        values = facility_values(points, chosen[:step])
        assert values[row] == pytest.approx(values.max(), abs=1e-9)


def test_facility_location_counts_what_is_covered_already() -> None:
    groups = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 1.0], [0.1, 1.0]])
    rng = np.random.default_rng(0)
    assert facility_location(groups, 1, Allowance(5), rng=rng)[0] < 3  # the larger group
    covered = groups[:1]
    assert facility_location(groups, 1, Allowance(5), rng=rng, taken=covered)[0] >= 3


def test_facility_location_goes_on_when_everything_is_covered() -> None:
    points = np.ones((6, 2))
    rng = np.random.default_rng(0)
    assert facility_location(points, 6, Allowance(6), rng=rng) == [0, 1, 2, 3, 4, 5]


def test_a_sample_of_the_demand_covers_nearly_as_well() -> None:
    points = normal(300, 5)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    exact, drawn = (
        facility_location(points, 10, Allowance(300), rng=np.random.default_rng(0), demand=demand)
        for demand in (300, 100)
    )
    exact_value, value = ((unit @ unit[rows].T).max(1).mean() for rows in (exact, drawn))
    assert value > exact_value - 0.05


def test_k_means_takes_the_row_nearest_to_each_centre() -> None:
    middles = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    offsets = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    points = (middles[:, None] + offsets).reshape(-1, 2)
    assert sorted(k_means(points, 3, Allowance(15), seed=0)) == [0, 5, 10]


def test_k_means_fills_up_where_there_are_fewer_points_than_clusters() -> None:
    points = np.repeat(np.eye(3), 4, axis=0)
    chosen = k_means(points, 8, Allowance(12), seed=0)
    assert len(set(chosen)) == 8
    assert {row // 4 for row in chosen[:3]} == {0, 1, 2}
