"""Clusters of texts and the even choice among them."""

import warnings
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.vectors.cluster import (
    ClusterSizes,
    Reduced,
    cluster_sizes,
    kmeans_labels,
    round_robin,
    tfidf_svd,
)
from tests.shared_data import data_texts

WORDS = ["red", "blue", "green", "lamp", "tray", "rope", "garden", "river", "seven", "nine"]
LABELS = st.lists(st.integers(0, 6), max_size=40)


def random_texts(count: int, *, seed: int = 0) -> list[str]:
    rng = Random(seed)
    return [" ".join(rng.choices(WORDS, k=6)) for _ in range(count)]


# --- round robin


def test_one_of_each_then_one_more_of_the_largest() -> None:
    for seed in range(20):
        chosen = round_robin([0, 0, 0, 1, 2], 4, Random(seed))
        assert {3, 4} < set(chosen[:3])
        assert sorted([0, 0, 0, 1, 2][index] for index in chosen) == [0, 0, 1, 2]
        assert len(set(chosen)) == 4


@given(labels=LABELS, count=st.integers(0, 50), seed=st.integers(0, 9))
def test_turns_are_equal_until_a_cluster_is_used_up(
    labels: list[int], count: int, seed: int
) -> None:
    chosen = round_robin(labels, count, Random(seed))
    assert len(chosen) == len(set(chosen)) == min(count, len(labels))
    there, taken = Counter(labels), Counter(labels[index] for index in chosen)
    unspent = [taken[label] for label in there if taken[label] < there[label]]
    if unspent:
        assert max(unspent) - min(unspent) <= 1
        assert max(taken.values(), default=0) <= min(unspent) + 1


@given(labels=LABELS, seed=st.integers(0, 9))
def test_asking_for_less_gives_the_beginning(labels: list[int], seed: int) -> None:
    everything = round_robin(labels, len(labels), Random(seed))
    assert sorted(everything) == list(range(len(labels)))
    passes = Counter(labels)
    first = everything[: len(passes)]
    assert {labels[index] for index in first} == set(passes)


def test_it_stops_in_the_middle_of_a_pass_without_a_favourite() -> None:
    # ten clusters, three places: over many seeds each is as likely as another (expected 300)
    counts = Counter(
        round_robin(range(10), 3, Random(seed))[i] for seed in range(1000) for i in (0, 1, 2)
    )
    assert set(counts) == set(range(10))
    assert 230 < min(counts.values()) <= max(counts.values()) < 370


def test_who_comes_first_in_a_cluster_is_random() -> None:
    counts = Counter(round_robin([0] * 5, 1, Random(seed))[0] for seed in range(1000))
    assert 140 < min(counts.values()) <= max(counts.values()) < 260


def test_the_same_seed_chooses_the_same() -> None:
    labels = [0, 1, 1, 2, 2, 2] * 5
    assert round_robin(labels, 9, Random(3)) == round_robin(np.array(labels), 9, Random(3))


# --- TF-IDF and SVD


def test_words_of_one_character_are_not_seen() -> None:
    texts = ["5 apples", "7 apples", "12 apples", "3 pears and 2 plums"]
    five, seven, twelve, _ = tfidf_svd(texts, components=3, seed=0).vectors
    assert five == pytest.approx(seven, abs=1e-12)
    assert five != pytest.approx(twelve, abs=1e-3)


def test_too_many_components_are_clamped_and_it_is_said() -> None:
    texts = random_texts(30)
    reduced = tfidf_svd(texts, components=100, seed=0)
    assert reduced.features == len(WORDS)
    assert reduced.vectors.shape == (30, len(WORDS))
    assert reduced.explained == pytest.approx(1.0)
    assert reduced.notes == (
        "SVD to 10 components instead of 100: there are 10 words and 30 texts",
    )
    few = tfidf_svd(texts[:3], components=100, seed=0)
    assert few.vectors.shape == (3, 3)
    assert tfidf_svd(texts, components=4, seed=0).notes == ()


def test_fewer_components_keep_less() -> None:
    texts = random_texts(60)
    kept = [tfidf_svd(texts, components=c, seed=0).explained for c in (1, 3, 6, 10)]
    assert kept == sorted(kept)  # type: ignore[type-var]


@pytest.mark.parametrize("texts", [["lamp tray"], ["lamp"] * 2, ["lamp", ""], ["red lamp"] * 9])
def test_one_text_and_equal_texts_are_no_error(texts: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reduced = tfidf_svd(texts, components=100, seed=0)
    assert len(reduced.vectors) == len(texts)
    assert np.isfinite(reduced.vectors).all()
    if len(set(texts)) == 1:
        assert reduced.explained is None


@pytest.mark.parametrize("texts", [["", "", ""], ["a", "5", "x y z"]])
def test_texts_without_words_lie_at_one_point(texts: list[str]) -> None:
    reduced = tfidf_svd(texts, components=100, seed=0)
    assert (reduced.features, reduced.explained) == (0, None)
    assert not reduced.vectors.any()
    assert "no text holds a word" in reduced.notes[0]
    assert set(kmeans_labels(reduced.vectors, 700, seed=0).labels) == {0}


def test_nothing_in_nothing_out() -> None:
    reduced = tfidf_svd([], components=100, seed=0)
    assert (len(reduced.vectors), reduced.notes) == (0, ())
    assert len(kmeans_labels(reduced.vectors, 700, seed=0).labels) == 0
    assert cluster_sizes(kmeans_labels(reduced.vectors, 7, seed=0).labels) == (0, 0, 0.0, 0)
    assert round_robin([], 5, Random(0)) == []


# --- k-means


def test_never_more_clusters_than_distinct_rows() -> None:
    texts = ["red lamp", "blue tray", "green rope"] * 4
    reduced = tfidf_svd(texts, components=100, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels, notes = kmeans_labels(reduced.vectors, 700, seed=0)
    assert notes == ("3 clusters instead of 700: there are 3 distinct texts",)
    assert sorted(Counter(labels.tolist()).values()) == [4, 4, 4]
    assert len({(text, label) for text, label in zip(texts, labels, strict=True)}) == 3


@given(count=st.integers(1, 30), clusters=st.integers(1, 40), seed=st.integers(0, 3))
def test_labels_have_no_gaps(count: int, clusters: int, seed: int) -> None:
    reduced = tfidf_svd(random_texts(count, seed=seed), components=5, seed=seed)
    labels = kmeans_labels(reduced.vectors, clusters, seed=seed).labels
    used = sorted(set(labels.tolist()))
    assert used == list(range(len(used)))
    assert len(labels) == count
    assert len(used) <= clusters
    assert cluster_sizes(labels).clusters == len(used)


def test_far_groups_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(4) * 50, 10, axis=0)
    labels = kmeans_labels(centres + rng.normal(size=(40, 4)), 4, seed=1).labels
    assert len({tuple(labels[start : start + 10]) for start in range(0, 40, 10)}) == 4
    assert all(len(set(labels[start : start + 10])) == 1 for start in range(0, 40, 10))


def test_a_large_seed_is_a_seed_and_the_same_gives_the_same() -> None:
    texts = random_texts(80)
    runs = []
    for _ in range(2):
        reduced = tfidf_svd(texts, components=5, seed=2**62 + 5)
        runs.append(kmeans_labels(reduced.vectors, 12, seed=2**62 + 5).labels.tolist())
    assert runs[0] == runs[1]


def test_sizes_of_clusters() -> None:
    assert cluster_sizes(np.array([4, 4, 4, 1, 9, 9])) == ClusterSizes(3, 1, 2.0, 3)


@pytest.fixture(scope="module")
def gsm8k() -> Reduced:
    questions = data_texts("gsm8k/train.jsonl.gz", "question")
    assert len(questions) == 7473
    return tfidf_svd(questions, components=100, seed=0)


def test_real_questions_have_the_measured_words_and_variance(gsm8k: Reduced) -> None:
    assert gsm8k.features == 11_917
    assert gsm8k.explained == pytest.approx(0.22, abs=0.002)
    assert gsm8k.notes == ()


def test_real_questions_fall_into_the_measured_clusters(gsm8k: Reduced) -> None:
    labels, notes = kmeans_labels(gsm8k.vectors, 700, seed=0)
    sizes = cluster_sizes(labels)
    assert notes == ()
    assert (sizes.clusters, sizes.median) == (700, 6.0)
    assert abs(sizes.singletons - 94) <= 6
    assert abs(sizes.largest - 96) <= 6
    # every single one survives, whatever else is chosen
    chosen = set(round_robin(labels, 2000, Random(0)))
    alone = {i for i, label in enumerate(labels) if (labels == label).sum() == 1}
    assert alone < chosen
