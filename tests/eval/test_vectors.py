"""Metrics of vectors: by hand, by double loops, by their properties, and on bad input."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from metasynth.errors import RequestError
from metasynth.eval.coverage import topic_coverage
from metasynth.eval.geometry import nearest_distances, unit_rows
from metasynth.eval.metric import Measurement
from metasynth.eval.metrics.chamfer_distance import chamfer_distance
from metasynth.eval.metrics.remote_clique import remote_clique
from metasynth.eval.metrics.vendi_score import vendi_score
from tests.raising import raises

Rows = NDArray[np.float64]
calm = settings(deadline=None)  # the machine may be busy
HALVES = st.integers(-8, 8).map(lambda number: number / 2)


@st.composite
def rows_of(draw: st.DrawFn, *, least: int = 2) -> Rows:
    shape = draw(st.tuples(st.integers(least, 7), st.integers(1, 4)))
    rows = draw(arrays(np.float64, shape, elements=HALVES))
    assume((np.abs(rows).max(axis=1) > 0).all())
    return unit_rows(rows)


def value(metric: Measurement) -> float:
    assert metric.value is not None, metric.reason
    return metric.value


def slow(rows: Rows) -> Rows:
    """Cosine distances of all pairs."""
    return np.array([[1 - float(a @ b) for b in rows] for a in rows])


def test_by_hand() -> None:
    rows = unit_rows([[2, 0], [0, 3], [5, 0]])
    # distances 1, 0, 1
    assert value(remote_clique(rows)) == pytest.approx(2 / 3)
    assert value(remote_clique(rows, with_self=True)) == pytest.approx(4 / 9)
    assert value(chamfer_distance(rows)) == pytest.approx(1 / 3)
    # eigenvalues 2/3 and 1/3
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    metric = vendi_score(rows)
    assert value(metric) == pytest.approx(np.exp(entropy))
    assert metric.detail["order_2"] == pytest.approx(9 / 5)
    assert metric.detail["order_infinity"] == pytest.approx(3 / 2)


@calm
@given(rows=rows_of())
def test_distances_are_those_of_the_double_loop(rows: Rows) -> None:
    n, distances = len(rows), slow(rows)
    off = distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    assert value(remote_clique(rows)) == pytest.approx(off.mean(), abs=1e-9)
    assert nearest_distances(rows) == pytest.approx(off.min(axis=1), abs=1e-6)


@calm
@given(rows=rows_of())
def test_bounds(rows: Rows) -> None:
    n = len(rows)
    clique, chamfer, vendi = remote_clique(rows), chamfer_distance(rows), vendi_score(rows)
    assert 0 <= value(clique) <= n / (n - 1) + 1e-9
    assert 0 <= value(chamfer) <= value(clique) + 1e-6
    orders = [1, vendi.detail["order_infinity"], vendi.detail["order_2"], value(vendi)]
    numbers = [float(str(order)) for order in (*orders, min(rows.shape))]
    assert all(one <= other + 1e-9 for one, other in itertools.pairwise(numbers))


@calm
@given(rows=rows_of())
def test_doubling(rows: Rows) -> None:
    n, twice = len(rows), np.concatenate([rows, rows])
    assert value(chamfer_distance(twice)) == 0
    assert value(vendi_score(twice)) == pytest.approx(value(vendi_score(rows)), abs=1e-9)
    expected = value(remote_clique(rows)) * 2 * (n - 1) / (2 * n - 1)
    assert value(remote_clique(twice)) == pytest.approx(expected, abs=1e-9)
    with_self = [value(remote_clique(each, with_self=True)) for each in (rows, twice)]
    assert with_self[0] == pytest.approx(with_self[1], abs=1e-9)


@calm
@given(rows=rows_of(), which=st.integers(0, 6))
def test_a_copy_in_the_chamfer_distance(rows: Rows, which: int) -> None:
    i = which % len(rows)
    nearest = nearest_distances(rows)
    copied = value(chamfer_distance(np.concatenate([rows, rows[i : i + 1]])))
    assert copied == pytest.approx((nearest.sum() - nearest[i]) / (len(rows) + 1), abs=1e-6)


@calm
@given(rows=rows_of(), seed=st.integers(0, 99))
def test_order_scale_and_rotation_change_nothing(rows: Rows, seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(rows.shape[1], rows.shape[1])))
    other = unit_rows(rng.permutation(rows) @ turn * rng.uniform(0.1, 9, size=(len(rows), 1)))
    for metric in (remote_clique, chamfer_distance, vendi_score):
        assert value(metric(other)) == pytest.approx(value(metric(rows)), abs=1e-6)


@calm
@given(rows=rows_of())
def test_identities(rows: Rows) -> None:
    kernel = rows @ rows.T
    order_2 = float(str(vendi_score(rows).detail["order_2"]))
    assert order_2 == pytest.approx(1 / np.square(kernel).mean(), rel=1e-9)
    mean = np.square(rows.mean(axis=0)).sum()
    assert value(remote_clique(rows, with_self=True)) == pytest.approx(1 - mean, abs=1e-9)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_vendi_counts_what_is_different(n: int) -> None:
    assert value(vendi_score(np.eye(n))) == pytest.approx(n)
    assert value(vendi_score(unit_rows(np.ones((n, 3))))) == pytest.approx(1)
    assert value(vendi_score(unit_rows([[1.0, 1.0], [-1.0, -1.0]]))) == pytest.approx(1)


def test_equal_rows_are_at_distance_zero_and_not_nearly() -> None:
    rng = np.random.default_rng(0)
    rows = unit_rows(np.repeat(rng.normal(size=(1, 384)), 50, axis=0))
    assert chamfer_distance(rows).value == 0
    assert chamfer_distance(rows).detail["equal_to_another"] == 50
    assert remote_clique(rows).value == 0


def test_blocks_do_not_matter() -> None:
    rows = unit_rows(np.random.default_rng(1).normal(size=(2500, 8)))
    part = nearest_distances(rows)
    assert part[2100] == pytest.approx(np.delete(1 - rows @ rows[2100], 2100).min(), abs=1e-6)


@pytest.mark.parametrize(
    ("vectors", "code", "where"),
    [
        ([[1.0, np.nan], [1.0, 2.0], [np.inf, 0.0]], "not_finite", "row 0"),
        ([[1.0, 1.0], [0.0, 0.0]], "zero_row", "row 1"),
        ([1.0, 2.0], "bad_shape", "(2,)"),
    ],
)
def test_vectors_that_cannot_be_used(vectors: object, code: str, where: str) -> None:
    with raises(RequestError, code, where):
        unit_rows(np.array(vectors))


@pytest.mark.parametrize("n", [0, 1])
def test_pairs_need_two(n: int) -> None:
    rows = unit_rows(np.ones((n, 3)))
    for metric in (remote_clique(rows), chamfer_distance(rows), vendi_score(rows)):
        assert metric.value is None
        assert metric.reason == f"needs two texts, there are {n}"


# --- coverage

TARGET = ["ships sail over water"] * 6 + ["bread needs flour"] * 3 + ["stars shine above"]
CENTRES = {"ships": [1, 0, 0], "bread": [0, 1, 0], "stars": [0, 0, 1]}


def vectors_of(texts: list[str]) -> Rows:
    rng = np.random.default_rng(5)
    rows = np.array([CENTRES.get(text.split()[0], [-1, -1, -1]) for text in texts], dtype=float)
    return rows + 0.01 * rng.normal(size=rows.shape)


@pytest.mark.parametrize("labelled", [True, False])
def test_cells_that_nothing_reaches_are_named(labelled: bool) -> None:
    texts = ["ships again"] * 4 + ["other things"] * 2
    found = topic_coverage(
        texts,
        vectors_of(texts),
        target=TARGET,
        target_vectors=vectors_of(TARGET),
        target_topics=[text.split()[0] for text in TARGET] if labelled else None,
        cells=3,
    )
    assert found.share == pytest.approx(1 / 3)
    assert found.weighted == pytest.approx(0.6)
    assert found.outside == 2
    assert [cell.target for cell in found.cells] == [6, 3, 1]
    assert [cell.corpus for cell in found.cells] == [4, 0, 0]
    names = [cell.name for cell in found.empty]
    if labelled:
        assert names == ["bread", "stars"]
    else:
        assert {"bread", "flour"} <= set(names[0].split())
        assert {"stars", "shine"} <= set(names[1].split())
    assert found.empty[0].example == "bread needs flour"
    expected = np.mean([1 - (1 - share) ** 6 for share in (0.6, 0.3, 0.1)])
    assert found.expected == pytest.approx(expected)
    assert found.plain()["empty"] == names


def test_a_target_covers_itself() -> None:
    vectors = vectors_of(TARGET)
    found = topic_coverage(TARGET, vectors, target=TARGET, target_vectors=vectors, cells=3)
    assert (found.share, found.weighted) == pytest.approx((1, 1))
    assert found.empty == ()


def test_coverage_of_nothing_has_a_reason() -> None:
    found = topic_coverage([], [], target=TARGET, target_vectors=vectors_of(TARGET))
    assert found.share is None
    assert found.reason


@pytest.mark.parametrize(
    ("texts", "vectors", "code"),
    [
        (["a", "b"], [[1.0, 0, 0]], "not_one_a_text"),
        (["a"], [[1.0, 0]], "other_width"),
        (["a"], [[np.nan, 0, 0]], "not_finite"),
    ],
)
def test_coverage_refuses_what_does_not_fit(
    texts: list[str], vectors: list[list[float]], code: str
) -> None:
    with raises(RequestError, code):
        topic_coverage(texts, vectors, target=TARGET, target_vectors=vectors_of(TARGET))
