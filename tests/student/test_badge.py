"""BADGE: the distances of the outer products, the draws of D² sampling."""

import numpy as np
import pytest
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.gradient_products import (
    inner_products,
    squared_distances,
    squared_norms,
)
from metasynth.student.selection.gradients import GradientEmbeddings
from metasynth.student.selection.strategies.badge import choose_badge

Floats = NDArray[np.float64]
VOCABULARY = 7


def factored(counts: list[int], *, kept: int = 4, seed: int = 0) -> GradientEmbeddings:
    """Rows with so many places each, on a small vocabulary."""
    rng = np.random.default_rng(seed)
    places = sum(counts)
    ids = np.stack([rng.permutation(VOCABULARY)[:kept] for _ in range(places)])
    p = rng.dirichlet(np.ones(VOCABULARY), size=places)
    q = np.take_along_axis(p, ids, 1)
    q[:, 0] -= 1
    return GradientEmbeddings(
        q=q.astype(np.float32),
        token_ids=ids.astype(np.int32),
        label_column=np.zeros(places, dtype=np.int32),
        h=rng.normal(size=(places, 5)).astype(np.float32),
        starts=np.concatenate([[0], np.cumsum(counts)]),
    )


def outer(gradients: GradientEmbeddings) -> Floats:
    """The gradients themselves, [N, V d]."""
    q = np.zeros((len(gradients.q), VOCABULARY))
    for place, ids in enumerate(gradients.token_ids):
        np.add.at(q[place], ids, gradients.q[place])
    whole = q[:, :, None] * gradients.h[:, None, :].astype(np.float64)
    flat = whole.reshape(len(q), -1)
    parts = zip(gradients.starts, gradients.starts[1:], strict=False)
    return np.stack([flat[first:end].mean(0) for first, end in parts])


def line(*lengths: float) -> GradientEmbeddings:
    """Gradients of the given lengths in one direction."""
    count = len(lengths)
    return GradientEmbeddings(
        q=np.full((count, 1), -1.0, dtype=np.float32),
        token_ids=np.zeros((count, 1), dtype=np.int32),
        label_column=np.zeros(count, dtype=np.int32),
        h=np.array(lengths, dtype=np.float32)[:, None],
        starts=np.arange(count + 1),
    )


@pytest.mark.parametrize("counts", [[1] * 9, [3, 1, 2, 4, 1]])
def test_factored_distances_are_those_of_the_outer_products(counts: list[int]) -> None:
    gradients = factored(counts)
    exact = outer(gradients)
    norms = squared_norms(gradients)
    np.testing.assert_allclose(norms, (exact**2).sum(1), rtol=1e-6)
    np.testing.assert_allclose(inner_products(gradients, gradients), exact @ exact.T, atol=1e-8)
    distance = squared_distances(gradients, gradients, norms, norms)
    between = ((exact[:, None] - exact[None]) ** 2).sum(-1)
    np.testing.assert_allclose(distance, between, rtol=1e-6, atol=1e-12)
    assert (np.diag(distance) == 0).all()


def test_blocks_of_a_large_pool_do_not_change_the_products() -> None:
    gradients = factored([1, 2, 3] * 3000)  # 18,000 places: three blocks
    some = gradients.take([5, 8000])
    products = inner_products(gradients, some)
    for row in (0, 4095, 4096, 8999):
        alone = inner_products(gradients.take([row]), some)
        np.testing.assert_allclose(products[row], alone[0], rtol=1e-12)


def test_the_first_is_the_one_with_the_largest_gradient() -> None:
    for seed in range(5):
        gradients = factored([2] * 12, seed=seed)
        largest = int((outer(gradients) ** 2).sum(1).argmax())
        assert (
            choose_badge(gradients, 3, Allowance(12), rng=np.random.default_rng(seed))[0] == largest
        )


def test_a_double_is_never_second_while_there_is_another() -> None:
    for seed in range(30):
        gradients = factored([2] * 3, seed=seed).take([0, 1, 2] * 4)
        chosen = choose_badge(gradients, 12, Allowance(12), rng=np.random.default_rng(seed))
        assert {row % 3 for row in chosen[:3]} == {0, 1, 2}
        assert sorted(chosen) == list(range(12))


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_draws_follow_the_squared_distance_however_many_share_a_pass(batch: int) -> None:
    gradients = line(10, 9, 7, 4, 0)
    rng = np.random.default_rng(0)
    pairs = np.zeros((5, 5))
    trials = 1200
    for _ in range(trials):
        first, second, third = choose_badge(gradients, 3, Allowance(5), rng=rng, batch=batch)
        assert first == 0
        pairs[second, third] += 1
    expected = np.zeros((5, 5))
    where = np.array([10.0, 9, 7, 4, 0])
    near = (where - 10) ** 2
    for second in range(1, 5):
        left = np.minimum(near, (where - where[second]) ** 2)
        expected[second] = near[second] / near.sum() * left / left.sum()
    deviation = np.sqrt(expected * (1 - expected) / trials)
    assert (np.abs(pairs / trials - expected) <= 4.5 * deviation).all()


def test_what_is_taken_keeps_its_neighbours_away() -> None:
    gradients = line(10, 5, 0)
    chosen = choose_badge(gradients, 2, Allowance(3), rng=np.random.default_rng(0), taken=line(10))
    assert sorted(chosen) == [1, 2]  # the largest gradient is known already


def test_a_cap_holds_while_rows_are_drawn() -> None:
    seeds = ["a"] * 8 + ["b"] * 4
    for seed in range(5):
        allowance = Allowance(12, seeds_of=seeds, per_seed=2)
        chosen = choose_badge(factored([1] * 12), 4, allowance, rng=np.random.default_rng(seed))
        assert sorted(seeds[row] for row in chosen) == ["a", "a", "b", "b"]
