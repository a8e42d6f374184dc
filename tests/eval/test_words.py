"""Metrics of words: by hand, by a slow way that is plainly right, and by their properties."""

import gzip
import hashlib
import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from metasynth.eval.diversity_package import compression_ratio_twice, ngram_diversity_sum
from metasynth.eval.entropy import label_entropy
from metasynth.eval.measurement import measure
from metasynth.eval.metric import Measurement
from metasynth.eval.metrics.compression_ratio import compression_ratio
from metasynth.eval.metrics.compression_ratio_xz import compression_ratio_xz
from metasynth.eval.metrics.homogenization import homogenization
from metasynth.eval.metrics.mean_inverse_frequency import (
    inverse_frequency_of_types,
    mean_inverse_frequency,
)
from metasynth.eval.metrics.opening_entropy import opening_entropy
from metasynth.eval.metrics.self_bleu import self_bleu
from metasynth.eval.metrics.self_repetition import self_repetition
from metasynth.eval.ngrams import ngram_diversity
from metasynth.eval.phrases import common_phrases, peculiar_words, telling_words
from metasynth.eval.tokens import tokenise
from metasynth.eval.word_frequencies import word_frequencies

WORDS = st.sampled_from(["a", "b", "c", "d", "ef"])
TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), min_size=2, max_size=6)
calm = settings(deadline=None)  # the machine may be busy
RANDOM = st.randoms(use_true_random=False)


def value(metric: Measurement) -> float:
    assert metric.value is not None, metric.reason
    return metric.value


def distinct(texts: list[str], n: int) -> Measurement:
    return ngram_diversity(tokenise(texts), n)


def grams(text: str, n: int) -> list[tuple[str, ...]]:
    parts = text.split()
    return [tuple(parts[i : i + n]) for i in range(len(parts) - n + 1)]


# --- n-gram diversity


def test_ngram_diversity_by_hand() -> None:
    texts = ["a b a", "a b"]
    assert value(distinct(texts, 1)) == 2 / 5
    assert value(distinct(texts, 2)) == 2 / 3  # ab ba | ab: none crosses texts
    assert value(distinct(texts, 3)) == 1
    assert distinct(texts, 4).value is None
    assert distinct(texts, 4).reason == "no text has 4 words"
    # one stream: 5 words, 2 distinct; ab ba aa ab: 3 of 4
    assert value(ngram_diversity_sum(texts, 2)) == 2 / 5 + 3 / 4


def test_the_published_sum_counts_empty_pieces_between_blanks() -> None:
    assert value(ngram_diversity_sum(["a  b"], 1)) == 1.0  # a, nothing, b
    assert value(ngram_diversity_sum(["a   b"], 1)) == 3 / 4


@calm
@given(texts=TEXTS, n=st.integers(1, 5))
def test_ngrams_are_numbered_without_collision(texts: list[str], n: int) -> None:
    table = tokenise(texts)
    all_ = [gram for text in texts for gram in grams(text, n)]
    found = table.grams(n)
    assert len(found.numbers) == len(all_)
    pairs = set(zip(found.numbers.tolist(), all_, strict=True))
    assert len(pairs) == found.types == len(set(all_))
    assert found.owners.tolist() == [i for i, t in enumerate(texts) for _ in grams(t, n)]


@calm
@given(texts=TEXTS, n=st.integers(1, 4), times=st.integers(2, 4))
def test_repeating_a_corpus_divides_its_diversity(texts: list[str], n: int, times: int) -> None:
    metric = distinct(texts, n)
    assume(metric.value is not None)
    many = distinct(texts * times, n)
    one, other = (
        Fraction(int(str(m.detail["distinct"])), int(str(m.detail["all"]))) for m in (metric, many)
    )
    assert other == one / times
    assert 0 < value(many) <= value(metric) <= 1


@calm
@given(texts=TEXTS, n=st.integers(1, 4), which=st.integers(0, 5))
def test_a_copy_never_raises_and_new_words_never_lower_it(
    texts: list[str], n: int, which: int
) -> None:
    before = distinct(texts, n)
    assume(before.value is not None)
    copied = distinct([*texts, texts[which % len(texts)]], n)
    assert value(copied) <= value(before)
    assert value(distinct([*texts, "v w x y z"], n)) >= value(before)


# --- self-repetition, phrases


@calm
@given(texts=TEXTS, n=st.integers(1, 3))
def test_self_repetition_is_the_published_loop(texts: list[str], n: int) -> None:
    once = [set(grams(text, n)) for text in texts]
    counts = Counter(gram for grams_ in once for gram in grams_)
    sums = [sum(counts[gram] for gram in grams_) - len(grams_) for grams_ in once]
    found = self_repetition(tokenise(texts), n)
    if any(once):
        assert value(found) == pytest.approx(sum(map(math.log1p, sums)) / len(texts), abs=1e-12)
    else:
        assert found.reason


def test_phrases_that_most_texts_share() -> None:
    tail = [f"{end} w{end} v{end}" for end in range(6)]
    texts = [f"this is the common part of the text {end}" for end in tail[:4]] + tail[4:]
    assert common_phrases(tokenise(texts), 4)[0] == ("this is the common", 4)
    assert common_phrases(tokenise(["a b c d", "e f g h"]), 4) == []
    assert common_phrases(tokenise(["a"]), 4) == []


def test_telling_words_are_those_of_one_side() -> None:
    ours = ["syndrome of the liver", "syndrome there", "nothing there"]
    ((word, share),) = telling_words(ours, ["there are ships", "nothing of it"], most=1)
    assert word == "syndrome"
    assert share == pytest.approx(2 / 3)


def test_marks_of_a_format_are_peculiar() -> None:
    ours = ["the ship , <unk> and the <unk> of"] * 5
    others = ["the ship, ship and the sea of " + "many words " * 9] * 5
    assert peculiar_words(ours, others) == (("<unk>", 2 / 8), (",", 1 / 8))
    assert peculiar_words([], others) == ()


# --- Self-BLEU, ROUGE


def test_self_bleu_by_hand() -> None:
    # equal texts as long as n: everything matches
    assert value(self_bleu(tokenise(["a b c d"] * 2))) == pytest.approx(1.0)
    # no run of four words to match: 0.1 of 1 by smoothing, and counted
    short = self_bleu(tokenise(["a b c"] * 2))
    assert value(short) == pytest.approx(0.1 ** (1 / 4))
    assert short.detail["shorter_than_n"] == 2
    assert value(self_bleu(tokenise(["a b", "c d"]))) == 0
    # 2 of 3 words match ("a" once only), 1 of 2 pairs; no brevity penalty for the longer one
    by_hand = [math.sqrt(2 / 3 * 1 / 2), math.exp(1 - 3 / 2)]
    found = value(self_bleu(tokenise(["a b a", "a b"]), 2))
    assert found == pytest.approx(sum(by_hand) / 2)


def slow_bleu(rows: list[list[str]], i: int, n: int) -> float:
    others = [row for j, row in enumerate(rows) if j != i]
    logs = 0.0
    for length in range(1, n + 1):
        own = Counter(grams(" ".join(rows[i]), length))
        most: Counter[tuple[str, ...]] = Counter()
        for row in others:
            most |= Counter(grams(" ".join(row), length))
        matched = sum(min(count, most[gram]) for gram, count in own.items())
        if length == 1 and not matched:
            return 0.0
        logs += math.log((matched or 0.1) / max(1, own.total())) / n
    size = len(rows[i])
    nearest = min((len(row) for row in others), key=lambda one: (abs(one - size), one))
    return math.exp(logs) * (1.0 if size > nearest else math.exp(1 - nearest / size))


@calm
@given(texts=TEXTS, n=st.integers(1, 4))
def test_self_bleu_is_bleu_against_all_others(texts: list[str], n: int) -> None:
    assume(any(text.split() for text in texts))
    rows = [text.split() for text in texts]
    expected = sum(slow_bleu(rows, i, n) for i in range(len(rows))) / len(rows)
    found = value(self_bleu(tokenise(texts), n))
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 <= found <= 1 + 1e-12


@calm
@given(texts=st.lists(st.lists(WORDS, min_size=4, max_size=8).map(" ".join), min_size=1))
def test_self_bleu_of_a_doubled_corpus_is_one(texts: list[str]) -> None:
    assert value(self_bleu(tokenise(texts * 2))) == pytest.approx(1.0)


def slow_common(one: list[str], other: list[str]) -> int:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, left in enumerate(one):
        for j, right in enumerate(other):
            longer = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else longer
    return table[-1][-1]


@calm
@given(texts=TEXTS)
def test_homogenization_is_the_mean_rouge_l(texts: list[str]) -> None:
    assume(any(text.split() for text in texts))
    rows = [text.split() for text in texts]
    scores = [
        2 * slow_common(a, b) / (len(a) + len(b)) if a and b else 0.0
        for i, a in enumerate(rows)
        for b in rows[:i]
    ]
    found = value(homogenization(tokenise(texts)))
    assert found == pytest.approx(sum(scores) / len(scores), abs=1e-12)
    assert value(homogenization(tokenise(texts * 2))) >= found - 1e-12


def test_homogenization_is_one_for_equal_texts_alone_and_zero_for_different_ones() -> None:
    assert value(homogenization(tokenise(["a b", "a b", "a b"]))) == 1
    assert value(homogenization(tokenise(["a b", "a b", "a c"]))) < 1
    assert value(homogenization(tokenise(["a b", "c d"]))) == 0  # the package says 1
    assert value(homogenization(tokenise(["да нет", "да да"]))) == 0.5  # rouge-score sees no words


def test_homogenization_samples_beyond_its_limit() -> None:
    found = homogenization(tokenise(["a b"] * 30), most=5)
    assert (found.n, found.detail["pairs"], found.value) == (5, 10, 1.0)


# --- order


@calm
@given(texts=TEXTS, rng=RANDOM)
def test_the_order_of_texts_changes_nothing(texts: list[str], rng: object) -> None:
    other = list(texts)
    rng.shuffle(other)  # type: ignore[attr-defined]
    reference = word_frequencies(["a b c"], "x")
    for metric in (
        lambda t: ngram_diversity(tokenise(t), 2),
        lambda t: self_repetition(tokenise(t), 2),
        lambda t: self_bleu(tokenise(t)),
        lambda t: homogenization(tokenise(t)),
        lambda t: mean_inverse_frequency(tokenise(t, "words"), reference),
        opening_entropy,
    ):
        one, two = metric(texts), metric(other)
        assert one.reason == two.reason
        assert one.value == pytest.approx(two.value, abs=1e-12)


# --- rarity


def test_mean_inverse_frequency_by_hand() -> None:
    reference = word_frequencies(["The cat, the dog"], "pets")  # the 2, cat 1, dog 1; 4 + 3 + 1
    metric = mean_inverse_frequency(tokenise(["the cat", "a the"], "words"), reference)
    inverse = [8 / 3, 8 / 2, 8 / 1, 8 / 3]
    assert value(metric) == pytest.approx(sum(inverse) / 4)
    assert metric.detail["unknown_share"] == 0.25
    assert metric.detail["mean_log10"] == pytest.approx(sum(map(math.log10, inverse)) / 4)
    assert metric.settings["reference"] == "pets"


@calm
@given(texts=TEXTS)
def test_inside_a_corpus_inverse_frequency_says_nothing_new(texts: list[str]) -> None:
    table = tokenise(texts)
    assume(len(table.ids))
    counts = table.counts[table.ids]
    assert (len(table.ids) / counts).mean() == pytest.approx(len(table.vocabulary))
    assert (1 / counts).mean() == pytest.approx(value(ngram_diversity(table, 1)))


@calm
@given(texts=TEXTS)
def test_inverse_frequency_over_types_does_not_see_a_doubled_corpus(texts: list[str]) -> None:
    assume(any(text.split() for text in texts))
    once, twice = (inverse_frequency_of_types(tokenise(t)) for t in (texts, texts * 2))
    assert once == pytest.approx(twice)
    assert once >= len({word for text in texts for word in text.split()}) - 1e-9


def test_rarity_needs_a_reference() -> None:
    tokens = tokenise(["a b"], "words")
    assert "no reference" in measure(["a b"])["mean_inverse_frequency"].reason
    assert "empty" in mean_inverse_frequency(tokens, word_frequencies([], "x")).reason
    assert mean_inverse_frequency(tokenise([""], "words"), word_frequencies(["a"], "x")).reason


# --- compression


def test_compression_is_bytes_over_gzipped_bytes() -> None:
    texts = ["the same sentence again and again, ä"] * 20
    data = "\n".join(texts).encode()
    metric = compression_ratio(texts)
    assert value(metric) == len(data) / len(gzip.compress(data, 9, mtime=0))
    assert metric.detail["bytes"] == len(data)
    assert value(compression_ratio(["x"])) < 1  # tiny texts grow


def test_gzip_is_blind_to_far_repeats_and_xz_is_not() -> None:
    far = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(1000)]
    ratios = [value(compression_ratio(t)) for t in (far, far * 2)]
    assert ratios[1] == pytest.approx(ratios[0], rel=0.01)
    assert value(compression_ratio_xz(far * 2)) > 1.8 * value(compression_ratio_xz(far))


def test_the_published_form_compresses_twice() -> None:
    texts = ["a b c d e f g"] * 5000
    assert value(compression_ratio_twice(texts)) > value(compression_ratio(texts))


@calm
@given(texts=st.lists(st.text(st.characters(exclude_categories=()), max_size=30), min_size=1))
def test_any_text_has_a_ratio_or_a_reason(texts: list[str]) -> None:
    for metric in (compression_ratio(texts), compression_ratio_xz(texts)):
        assert (metric.value is None) == (not any(texts))
        assert metric.value is None or 0 < metric.value <= 1032


# --- entropy


def test_entropy_by_hand() -> None:
    metric = label_entropy(["law", "Law ", "medicine", "art", "", None], what="topic")
    assert value(metric) == pytest.approx(1.5)
    assert metric.n == 4
    assert metric.detail["without"] == 2
    assert metric.detail["commonest"] == [["law", 2], ["art", 1], ["medicine", 1]]
    assert value(label_entropy(["x"] * 9, what="topic")) == 0
    assert label_entropy(["", None], what="topic").reason == "no text has a topic"


def test_entropy_of_openings() -> None:
    metric = opening_entropy(["Once upon a time", "ONCE upon: a dog", "In the end", "So"])
    assert value(metric) == pytest.approx(1.5)
    assert metric.settings["words"] == 3


@calm
@given(labels=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40))
def test_entropy_lies_between_zero_and_that_of_equal_shares(labels: list[str]) -> None:
    found = value(label_entropy(labels, what="topic"))
    assert 0 <= found <= math.log2(len(set(labels))) + 1e-12


# --- too little


@pytest.mark.parametrize("texts", [[], ["one text of some words"], ["", ""], [" ", "\n"]])
def test_too_little_has_a_reason_and_no_value(texts: list[str]) -> None:
    tokens = tokenise(texts)
    for metric in (self_bleu(tokens), self_repetition(tokens), homogenization(tokens)):
        assert metric.value is None
        assert metric.reason
        assert metric.n == len(texts)
