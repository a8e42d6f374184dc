"""Near-duplicates: against all pairs, at the threshold, and where all texts are alike."""

import random

import pytest

from metasynth.eval.metrics.near_duplicate_rate import near_duplicate_rate
from metasynth.text.shingles import shingle_hashes

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def made(rng: random.Random, words: int) -> list[str]:
    return ["".join(rng.choices(LETTERS, k=rng.randint(2, 8))) for _ in range(words)]


def changed(rng: random.Random, words: list[str], count: int) -> list[str]:
    found = list(words)
    for place in rng.sample(range(len(words)), count):
        found[place] = made(rng, 1)[0]
    return found


def similarity(one: str, other: str) -> float:
    first, second = (set(shingle_hashes(text).tolist()) for text in (one, other))
    return len(first & second) / len(first | second)


def test_by_hand() -> None:
    metric = near_duplicate_rate(["The same TEXT, twice", "the  same text, twice", "another one"])
    assert metric.value == pytest.approx(2 / 3)
    assert metric.detail == {"texts": 2, "equal": 2, "example": [0, 1]}
    assert near_duplicate_rate(["one text", "another"]).value == 0
    assert "two texts" in near_duplicate_rate(["one"]).reason


def test_it_finds_what_all_pairs_find() -> None:
    rng = random.Random(7)
    texts = [" ".join(made(rng, 60)) for _ in range(40)]
    for number in range(40):  # from nearly equal to quite different
        texts.append(" ".join(changed(rng, texts[number].split(), number // 4)))
    expected = {
        i
        for i in range(len(texts))
        for j in range(len(texts))
        if i != j and similarity(texts[i], texts[j]) >= 0.8
    }
    assert 20 < len(expected) < 60  # pairs on both sides of the threshold
    metric = near_duplicate_rate(texts)
    assert metric.detail["texts"] == len(expected)
    assert metric.value == len(expected) / len(texts)


def test_a_corpus_that_is_all_alike_takes_no_quadratic_time() -> None:
    template = made(random.Random(1), 80)
    texts = [" ".join([*template, f"number{number}"]) for number in range(3000)]
    assert near_duplicate_rate(texts).value == 1
    assert near_duplicate_rate(["equal"] * 3000).detail["equal"] == 3000


@pytest.mark.parametrize("texts", [["", ""], ["", "a"], ["a", "b", "a"], ["汉", "汉字"]])
def test_tiny_texts(texts: list[str]) -> None:
    metric = near_duplicate_rate(texts)
    equal = sum(texts.count(text) > 1 for text in texts)
    assert metric.value == equal / len(texts)


def test_order_does_not_matter() -> None:
    rng = random.Random(3)
    texts = [" ".join(made(rng, 30)) for _ in range(30)]
    texts += [" ".join(changed(rng, text.split(), 1)) for text in texts[:9]]
    rates: list[float | None] = []
    for _ in range(4):
        rng.shuffle(texts)
        rates.append(near_duplicate_rate(texts).value)
    assert rates == [pytest.approx(18 / 39)] * 4
