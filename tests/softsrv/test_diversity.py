"""Diversity before and after the round robin, at equal numbers of texts."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metasynth.softsrv.postprocess.diversity import distinct_n, mean_distance, spread_change

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=7).map(" ".join), max_size=8)


def test_distinct_runs_by_hand() -> None:
    assert distinct_n(["a b a", "b a"], 1) == 2 / 5
    assert distinct_n(["a b a", "b a"], 2) == 2 / 3  # a b, b a, b a: none crosses two texts
    assert distinct_n(["a b"], 3) is None
    assert distinct_n([], 1) is None


@given(texts=TEXTS, n=st.integers(1, 4), k=st.integers(2, 3))
def test_k_copies_have_a_kth_of_the_distinct_runs(texts: list[str], n: int, k: int) -> None:
    once = distinct_n(texts, n)
    if once is None:
        assert distinct_n(texts * k, n) is None
    else:
        assert distinct_n(texts * k, n) == pytest.approx(once / k)
        assert 0 < once <= 1


@given(
    vectors=arrays.arrays(
        np.float64, st.tuples(st.integers(2, 8), st.integers(1, 4)), elements=st.floats(-1, 1)
    )
)
def test_mean_distance_is_the_mean_over_pairs(
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.where(lengths > 0.1, vectors / np.maximum(lengths, 0.1), np.eye(vectors.shape[1])[0])
    pairs = [1 - rows[i] @ rows[j] for i in range(len(rows)) for j in range(len(rows)) if i != j]
    assert mean_distance(rows) == pytest.approx(np.mean(pairs), abs=1e-9)


def test_few_rows_have_no_distance() -> None:
    assert mean_distance(np.eye(3)[:1]) is None
    assert mean_distance(np.eye(3)[:0]) is None
    assert mean_distance(np.eye(3)) == pytest.approx(1.0)


def test_an_even_choice_is_more_diverse_than_a_random_one() -> None:
    # 90 equal texts and ten others, each a cluster of its own
    texts = ["the same lamp again"] * 90 + [f"word{n} other{n} text{n} here{n}" for n in range(10)]
    labels = [0] * 90 + list(range(1, 11))
    vectors = np.eye(11)[labels]
    change = spread_change(texts, labels, range(89, 100), vectors=vectors, rng=Random(0))
    before, after = change.before, change.after
    assert before.texts == after.texts == 11
    assert (after.distinct_4, after.clusters) == (1.0, 1.0)
    assert after.mean_distance == pytest.approx(1.0)
    assert after.evenness == pytest.approx(1.0)
    for name in ("distinct_1", "distinct_4", "mean_distance", "clusters", "evenness"):
        assert getattr(before, name) < getattr(after, name)


def test_the_whole_is_as_diverse_as_itself() -> None:
    texts = ["a lamp", "a tray", "two ropes here now"]
    change = spread_change(texts, [0, 1, 1], [2, 0, 1], vectors=np.eye(3), rng=Random(0))
    for name in ("distinct_1", "distinct_4", "mean_distance", "clusters", "evenness"):
        assert getattr(change.before, name) == pytest.approx(getattr(change.after, name))


def test_what_is_not_defined_is_none() -> None:
    change = spread_change(["", "lamp"], [0, 0], [0], vectors=np.zeros((2, 1)), rng=Random(0))
    assert change.after.distinct_1 is None
    assert change.after.mean_distance is None
    assert change.after.evenness is None
    assert change.after.clusters == 1.0
