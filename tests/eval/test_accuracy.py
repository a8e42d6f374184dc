"""Accuracy and F1: values by hand and by scikit-learn, intervals and their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score  # type: ignore[import-untyped]

from metasynth.eval.tasks.accuracy import Labelled, accuracy, mean_score, weighted_f1

LABELS = st.lists(st.tuples(*[st.sampled_from("abc")] * 2), min_size=1, max_size=40)


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263, and 15 of 148
    found = accuracy(81, 263)
    assert [found.low, found.high] == pytest.approx([0.2553, 0.3662], abs=5e-5)
    found = accuracy(15, 148)
    assert [found.low, found.high] == pytest.approx([0.0624, 0.1605], abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(
    n: int, data: st.DataObject
) -> None:
    correct = data.draw(st.integers(0, n))
    found = accuracy(correct, n)
    assert found.value is not None and found.low is not None and found.high is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    assert found.low < found.high
    mirrored = accuracy(n - correct, n)
    assert mirrored.low == pytest.approx(1 - found.high)


def test_nothing_scored_is_no_number_but_a_reason() -> None:
    for found in (accuracy(0, 0), mean_score([], seed=0), weighted_f1([], seed=0)):
        assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
        assert found.reason


@settings(deadline=None, max_examples=50)
@given(LABELS)
def test_weighted_f1_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    found = weighted_f1([Labelled(*pair) for pair in pairs], seed=0)
    gold, answers = zip(*pairs, strict=True)
    expected = f1_score(gold, answers, average="weighted", zero_division=0)
    assert found.value == pytest.approx(expected)
    assert found.low is not None and found.high is not None
    assert 0 <= found.low <= found.high <= 1


def test_no_answer_is_a_label_that_is_never_right() -> None:
    found = weighted_f1([Labelled("a", "a"), Labelled("a", ""), Labelled("b", "b")], seed=0)
    assert found.value == pytest.approx((2 * (2 / 3) + 1) / 3)  # F1 of a is 2/3, of b 1


def test_groups_are_scored_apart_and_averaged() -> None:
    items = [Labelled("a", "a", "x")] * 9 + [Labelled("a", "b", "y")]
    assert weighted_f1(items, seed=0, by_group=True).value == pytest.approx(0.5)
    assert weighted_f1(items, seed=0).value == pytest.approx(18 / 19)


def test_a_bootstrap_of_counts_agrees_with_one_of_items() -> None:
    rng = np.random.default_rng(0)
    gold = rng.choice(list("ab"), size=120)
    answers = np.where(rng.random(120) < 0.7, gold, "a")
    items = [Labelled(*pair) for pair in zip(gold.tolist(), answers.tolist(), strict=True)]
    found = weighted_f1(items, seed=1)
    drawn = []
    for _ in range(400):
        chosen = rng.integers(120, size=120)
        drawn.append(f1_score(gold[chosen], answers[chosen], average="weighted"))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_a_mean_repeats_for_its_seed() -> None:
    scores = [0.0, 0.5, 1.0, 1.0]
    assert mean_score(scores, seed=3) == mean_score(scores, seed=3)
    assert mean_score(scores, seed=3).value == pytest.approx(0.625)
