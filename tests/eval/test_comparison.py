"""Equal draws, comparisons, intervals, the share of a gap, and where a ranking surprises."""

import json
import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metasynth.errors import RequestError
from metasynth.eval.comparison import (
    Comparison,
    CorpusRole,
    MeasuredCorpus,
    MetricInputs,
    MetricSummary,
    compare,
    plain_comparison,
)
from metasynth.eval.draws import equal_draws
from metasynth.eval.gap import gap_closed
from metasynth.eval.intervals import interval_of_draws
from metasynth.eval.measurement import Labels, measure, plain_measurements
from metasynth.eval.metric import Measurement, all_metrics
from metasynth.eval.probe import Probe
from metasynth.eval.surprises import surprises
from metasynth.eval.text_corpus import Document, TextCorpus
from metasynth.lm.load import wrap_lm
from tests.raising import raises
from tests.tiny_lm import tiny_llama, tiny_tokenizer
from tests.word_embeddings import WordEmbeddings

NOUNS = ("lamp", "river", "stone", "market", "captain", "letter", "garden", "winter", "engine")
VERBS = ("carries", "finds", "breaks", "paints", "follows", "sells", "repairs", "forgets")


def corpus(name: str, texts: Sequence[str]) -> TextCorpus:
    return TextCorpus(name, tuple(Document(text, f"{name} {i}") for i, text in enumerate(texts)))


def prose(count: int, *, seed: int, words: int = 60) -> list[str]:
    """Text of many words, as people might write it for this purpose."""
    rng = random.Random(seed)
    made = ["".join(rng.choices("abcdefghiklmnoprstu", k=rng.randint(3, 9))) for _ in range(3000)]
    weights = [1 / (rank + 5) for rank in range(len(made))]
    return [" ".join(rng.choices(made, weights, k=words)) for _ in range(count)]


def template(count: int, *, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(
            f"In this story the {rng.choice(NOUNS)} {rng.choice(VERBS)} a {rng.choice(NOUNS)}, "
            "and everyone is glad in the end."
            for _ in range(5)
        )
        for _ in range(count)
    ]


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array(WordEmbeddings(64).embed_documents(list(texts)), dtype=np.float32)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    corpora = [
        (corpus("machine", template(100, seed=1)), "template"),
        (corpus("between", template(50, seed=2) + prose(50, seed=3)), "candidate"),
        (corpus("people", prose(100, seed=4, words=90)), "real"),
    ]
    return compare(corpora, MetricInputs(embed=embed), records=20, draws=4)  # type: ignore[arg-type]


# --- draws


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.lists(st.integers(1, 30), min_size=3, max_size=12), min_size=2, max_size=4),
    draws=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_draws_are_of_equal_texts_and_equal_words(
    sizes: list[list[int]], draws: int, seed: int
) -> None:
    corpora = [corpus(f"c{i}", ["  w\n" * size for size in found]) for i, found in enumerate(sizes)]
    equal = equal_draws(corpora, draws=draws, seed=seed)
    for found, given_ in zip(equal.draws, corpora, strict=True):
        assert len(found) == draws
        for draw in found:
            assert len(draw.texts) == equal.records == len(set(draw.chosen))
            assert sum(len(text.split()) for text in draw.texts) == equal.words
            for text, row in zip(draw.texts, draw.chosen, strict=True):
                assert given_.documents[row].text.startswith(text)
    assert equal.draws == equal_draws(corpora, draws=draws, seed=seed).draws


def test_draws_share_no_text_where_there_are_enough() -> None:
    one, other = corpus("one", prose(40, seed=1)), corpus("other", prose(9, seed=2))
    equal = equal_draws([one, other], records=8, draws=5)
    assert equal.disjoint == (True, False)
    for first, second in combinations(equal.draws[0], 2):
        assert not set(first.chosen) & set(second.chosen)


def test_a_draw_larger_than_a_corpus_is_refused() -> None:
    with raises(RequestError, "too_few_texts"):
        equal_draws([corpus("small", ["a", "b", "c"])], records=5)


def test_sizes_that_make_a_comparison_void_are_told() -> None:
    long = corpus("long", ["word " * 500] * 30)
    short = TextCorpus("short", corpus("short", ["two words"] * 9).documents, blank=2, short=7)
    told = equal_draws([long, short], draws=3).warnings
    assert any(line.startswith("void: 4 texts") for line in told)
    assert any(line.startswith("void for compression and n-grams: 8 words") for line in told)
    assert any("long: 100% of its words were cut away" in line for line in told)
    assert any("short: its 9 texts are too few for 3 draws of 4" in line for line in told)
    assert any("2 blank texts" in line for line in told)
    assert any("7 texts were left out because they are short" in line for line in told)


# --- intervals


def test_intervals_by_hand() -> None:
    # sd 1, t(2) = 4.3027
    assert interval_of_draws([1, 2, 3], records=10, available=30) == pytest.approx(
        (2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4
    )
    # draws of half: as many as 2 independent ones, and their spread is too small by sqrt(1/2)
    low, high = interval_of_draws([1, 2, 3], records=10, available=20) or (0, 0)
    assert high - low == pytest.approx(2 * 4.3027 * 2**0.5 / 2**0.5, abs=1e-4)
    assert interval_of_draws([1], records=1, available=9) is None
    assert interval_of_draws([1, 1], records=9, available=9) is None


def test_the_interval_of_disjoint_draws_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        means = rng.normal(size=(5, 30)).mean(axis=1)
        low, high = interval_of_draws(means.tolist(), records=30, available=150) or (1, -1)
        covered += low <= 0 <= high
    assert 0.93 < covered / 2000 < 0.97


# --- comparisons


def test_template_text_ranks_below_on_every_metric(comparison: Comparison) -> None:
    assert surprises(comparison) == [
        "machine (template) does not differ from people (real) beyond the intervals by "
        "near-duplicates; by every other metric it ranks below"
    ]
    for metric in all_metrics():
        cells = [one.metrics[metric] for one in comparison.corpora]
        assert all((cell.mean is None) == bool(cell.reason) for cell in cells)
        assert all(len(cell.values) == 4 for cell in cells if cell.mean is not None)


def test_the_share_of_a_gap_that_is_closed(comparison: Comparison) -> None:
    names = [name for name, spec in all_metrics().items() if spec.family == "words"]
    for metric in names:
        ends = [gap_closed(comparison, name, metric) for name in ("machine", "people")]
        if ends[0].share is None:
            assert metric == "near_duplicate_rate" or ends[0].reason
            continue
        assert ends[0].share == pytest.approx(0)
        assert ends[1].share == pytest.approx(1)
    closed = gap_closed(comparison, "between", "ngram_diversity_4")
    assert closed.share is not None
    assert closed.interval is not None
    assert 0.2 < closed.share < 0.8
    assert closed.interval[0] <= closed.share <= closed.interval[1]
    assert "no text has a topic" in gap_closed(comparison, "between", "topic_entropy").reason


def test_draws_that_now_and_then_show_no_gap_leave_the_share_a_number() -> None:
    def side(name: str, role: CorpusRole, *values: float) -> MeasuredCorpus:
        cell = MetricSummary(float(np.mean(values)), None, values, Measurement(values[0], 9))
        return MeasuredCorpus(name, role, 9, {"ngram_diversity_4": cell}, (), (), ())

    sides = (
        side("machine", "template", 0, 0, 0, 0),
        side("between", "candidate", 0.5, 0.5, 0.5, 0.5),
        side("people", "real", 1, 1, 1, 0),  # one resample in 256 is zeros alone
    )
    closed = gap_closed(Comparison(2, 60, 4, sides), "between", "ngram_diversity_4")
    assert closed.share == pytest.approx(0.5 / 0.75)
    assert closed.interval is not None
    assert np.isfinite(closed.interval).all()


def test_no_gap_has_no_share() -> None:
    corpora = [
        (corpus("machine", prose(60, seed=1)), "template"),
        (corpus("between", prose(60, seed=2)), "candidate"),
        (corpus("people", template(60, seed=3)), "real"),
    ]
    found = compare(corpora, records=12, draws=5)  # type: ignore[arg-type]
    closed = gap_closed(found, "between", "ngram_diversity_4")
    assert closed.share is None
    assert "not more diverse" in closed.reason
    (told,) = surprises(found)
    assert told.startswith("machine (template) ranks above people (real) by compression ratio")
    assert "boilerplate: 100% of its texts share the words" in told
    assert "100% begin with 'in this story'" in told


def test_a_comparison_is_plain_data(comparison: Comparison) -> None:
    plain = json.loads(json.dumps(plain_comparison(comparison), allow_nan=False))
    assert plain["size"]["records"] == 20
    assert plain["size"]["words"] == comparison.words
    assert [one["role"] for one in plain["corpora"]] == ["template", "candidate", "real"]
    assert list(plain["metrics"]) == list(all_metrics())
    cell = plain["metrics"]["self_bleu"]["corpora"]["people"]
    assert cell["mean"] == pytest.approx(np.mean(cell["values"]))
    assert cell["settings"]["n"] == 4
    assert plain["metrics"]["task2vec"]["corpora"]["people"]["mean"] is None
    assert plain["metrics"]["task2vec"]["corpora"]["people"]["reason"]


def test_every_draw_is_measured_by_what_is_given() -> None:
    tokenizer = tiny_tokenizer()
    lm = wrap_lm(tiny_llama(tokenizer, num_hidden_layers=1), tokenizer, name="tiny")
    batches: list[int] = []
    probe = Probe(lm, batches=2, texts=2, on_batch=lambda done, _: batches.append(done))
    corpora = [(corpus(name, prose(10, seed=1)), "candidate") for name in ("a", "b")]
    told: list[tuple[int, int, str]] = []
    found = compare(
        corpora,  # type: ignore[arg-type]
        MetricInputs(probe=probe),
        draws=2,
        on_draw=lambda *done: told.append(done),
    )
    assert batches == [1, 2] * 4
    assert told == [(0, 4, "a"), (1, 4, "b"), (2, 4, "a"), (3, 4, "b")]
    assert found.corpora[0].metrics["task2vec"].first.settings["probe"] == "tiny"
    rarity = found.corpora[0].metrics["mean_inverse_frequency"]
    assert rarity.first.settings["reference"] == "the draws of all corpora together"


# --- one corpus


def test_all_metrics_of_one_corpus_as_plain_data() -> None:
    texts = prose(30, seed=1)
    labels = Labels(topics=["law"] * 15 + ["art"] * 15)
    found = plain_measurements(texts, vectors=embed(texts), labels=labels)
    plain = json.loads(json.dumps(found, allow_nan=False))
    assert list(plain["metrics"]) == list(all_metrics())
    assert plain["metrics"]["topic_entropy"]["value"] == 1
    assert plain["metrics"]["vendi_score"]["better"] == "higher"
    assert plain["words"] == 30 * 60
    assert plain["metrics"]["persona_entropy"]["reason"] == "no text has a persona"


@pytest.mark.parametrize(
    "texts",
    [[], ["only one text"], ["equal"] * 5, ["", " "], ["漢字"] * 3, ["a\ud800"] * 2, ["a", ""]],
)
def test_odd_corpora_give_values_or_reasons(texts: list[str]) -> None:
    vectors = np.ones((len(texts), 4))
    for metric in measure(texts, vectors=vectors).values():
        assert (metric.value is None) == bool(metric.reason)
        json.dumps(metric.plain(), allow_nan=False)


def test_what_does_not_fit_together_is_refused() -> None:
    with raises(RequestError, "not_one_a_text"):
        measure(["a", "b"], vectors=np.ones((3, 2)))
    with raises(RequestError, "not_one_a_text"):
        measure(["a", "b"], labels=Labels(topics=["x"]))
    with raises(RequestError, "not_finite"):
        measure(["a", "b"], vectors=[[1.0, float("nan")], [1.0, 1.0]])
