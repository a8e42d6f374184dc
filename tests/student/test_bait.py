"""BAIT: Woodbury's updates, an objective that falls, exactly n rows."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.gradients import GradientEmbeddings
from metasynth.student.selection.strategies.bait import (
    FisherBasis,
    FisherObjective,
    backward,
    choose_bait,
    fisher_factors,
    forward,
)

Floats = NDArray[np.float64]
VOCABULARY = 6
WIDTH = 4


def gradients(counts: list[int], *, seed: int = 0) -> GradientEmbeddings:
    """Rows with so many places each, the whole of a small vocabulary kept, labels drawn."""
    rng = np.random.default_rng(seed)
    places = sum(counts)
    q = rng.dirichlet(np.ones(VOCABULARY) / 2, size=places)
    labels = rng.integers(VOCABULARY, size=places)
    q[np.arange(places), labels] -= 1
    return GradientEmbeddings(
        q=q.astype(np.float32),
        token_ids=np.tile(np.arange(VOCABULARY, dtype=np.int32), (places, 1)),
        label_column=labels.astype(np.int32),
        h=rng.normal(size=(places, WIDTH)).astype(np.float32),
        starts=np.concatenate([[0], np.cumsum(counts)]),
    )


def exact_fisher(given: GradientEmbeddings, row: int) -> Floats:
    """Σ_c p_c g_c g_cᵀ with g_c = (onehot_c - p) ⊗ h, the mean over the places of a row."""
    total = np.zeros((VOCABULARY * WIDTH, VOCABULARY * WIDTH))
    places = range(given.starts[row], given.starts[row + 1])
    for place in places:
        p = given.probabilities[place].astype(np.float64)
        for c in range(VOCABULARY):
            g = np.outer(np.eye(VOCABULARY)[c] - p, given.h[place]).ravel()
            total += p[c] * np.outer(g, g) / len(places)
    return total


def whole(given: GradientEmbeddings) -> FisherBasis:
    """A basis that leaves nothing out."""
    return FisherBasis(np.arange(VOCABULARY), np.eye(WIDTH))


@pytest.mark.parametrize("counts", [[1] * 5, [2, 1, 3]])
def test_factors_give_the_exact_fisher_information(counts: list[int]) -> None:
    given = gradients(counts)
    factors = fisher_factors(given, whole(given), rank=VOCABULARY * WIDTH)
    for row, x in enumerate(factors):
        np.testing.assert_allclose(x.T @ x, exact_fisher(given, row), atol=1e-6)


def test_fewer_tokens_and_directions_give_a_block_of_it() -> None:
    given = gradients([1] * 5)
    basis = FisherBasis(np.array([1, 4]), np.eye(WIDTH)[:, [2]])
    rows = [1 * WIDTH + 2, 4 * WIDTH + 2]
    for row, x in enumerate(fisher_factors(given, basis)):
        np.testing.assert_allclose(x.T @ x, exact_fisher(given, row)[np.ix_(rows, rows)], atol=1e-6)


def test_the_basis_keeps_the_tokens_and_directions_that_matter() -> None:
    given = gradients([1] * 40)
    given.h[:, 1] *= 50
    matter = given.probabilities * (1 - given.probabilities) * (given.h**2).sum(1)[:, None]
    basis = FisherBasis.of(given, tokens=2, width=1)
    assert basis.tokens.tolist() == sorted(np.argsort(-matter.sum(0))[:2].tolist())
    assert abs(basis.directions[1, 0]) > 0.99
    assert basis.size == 2


@pytest.mark.parametrize("seed", range(3))
def test_woodburys_update_is_direct_inversion(seed: int) -> None:
    given, learnt = gradients([1] * 30, seed=seed), gradients([1] * 4, seed=seed + 100)
    x, before = (fisher_factors(one, whole(one)) for one in (given, learnt))
    objective = FisherObjective(x, labelled=before)
    chosen = forward(objective, 20, Allowance(30))
    kept = backward(objective, chosen, 10)
    direct = np.eye(x.shape[-1])
    for one in (*before, *x[kept]):
        direct += one.T @ one
    np.testing.assert_allclose(objective.inverse, np.linalg.inv(direct), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_objective_falls_by_what_was_foreseen(seed: int) -> None:
    given = gradients([1] * 15, seed=seed)
    objective = FisherObjective(fisher_factors(given, whole(given)))
    allowance = Allowance(15)
    chosen: list[int] = []
    for _ in range(12):
        value, gains = objective.value, objective.gains(np.arange(15))
        (row,) = forward(objective, 1, allowance)
        chosen.append(row)
        assert objective.value < value
        assert objective.value == pytest.approx(value - gains[row], abs=1e-9)
        assert gains[row] == pytest.approx(gains[np.setdiff1d(np.arange(15), chosen[:-1])].max())
    for count in range(11, 3, -1):
        value, costs = objective.value, objective.costs(np.array(chosen))
        kept = backward(objective, chosen, count)
        assert objective.value == pytest.approx(value + costs.min(), abs=1e-9)
        assert objective.value > value
        chosen = kept


def test_the_choice_is_near_the_best_of_all() -> None:
    given = gradients([1] * 9)
    x = fisher_factors(given, FisherBasis.of(given, tokens=8, width=8))

    def value(rows: tuple[int, ...]) -> float:
        objective = FisherObjective(x)
        for row in rows:
            objective.add(row)
        return float(objective.value)

    values = sorted(value(rows) for rows in combinations(range(9), 3))
    assert value(tuple(choose_bait(given, 3, Allowance(9)))) <= values[len(values) // 10]


@pytest.mark.parametrize("counts", [[1] * 9, [2, 1, 3] * 3])
@pytest.mark.parametrize("n", [0, 1, 4, 9])
def test_exactly_so_many_are_taken(n: int, counts: list[int]) -> None:
    allowance = Allowance(9)
    chosen = choose_bait(gradients(counts), n, allowance)
    assert len(set(chosen)) == n == 9 - allowance.capacity


def test_a_cap_holds() -> None:
    seeds = ["a"] * 6 + ["b"] * 3
    chosen = choose_bait(gradients([1] * 9), 4, Allowance(9, seeds_of=seeds, per_seed=2))
    assert sorted(seeds[row] for row in chosen) == ["a", "a", "b", "b"]


def test_what_was_learnt_from_is_not_asked_for_again() -> None:
    given = gradients([1] * 9)
    first = choose_bait(given, 1, Allowance(9))
    again = given.take(first * 50)
    assert choose_bait(given, 1, Allowance(9), taken=again) != first
