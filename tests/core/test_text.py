"""Words, openings and n-grams: the measures that the gate decides by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.text.words import (
    NgramIndex,
    cut_words,
    encodable,
    excerpt,
    is_unspaced,
    keywords_used,
    opening,
    word_ngrams,
    words,
)

TEXTS = st.text(max_size=200).filter(lambda text: not is_unspaced(text))
VOCABULARY = st.sampled_from(
    [
        "a",
        "lamp",
        "stood",
        "in",
        "the",
        "garden",
        "while",
        "rain",
        "fell",
        "on",
        "nine",
        "red",
        "tiles",
    ]
)
DOCUMENTS = st.lists(VOCABULARY, min_size=1, max_size=40).map(" ".join)


@given(text=TEXTS, count=st.integers(0, 12))
def test_an_opening_is_the_first_words(text: str, count: int) -> None:
    assert opening(text, count) == " ".join(words(text)[:count])


@given(text=TEXTS, count=st.integers(1, 12))
def test_an_excerpt_is_one_line_of_the_first_words(text: str, count: int) -> None:
    shown = excerpt(text, count)
    assert "\n" not in shown
    assert shown.removesuffix(" …").split() == text.split()[:count] or shown.endswith(" …")
    assert shown.endswith(" …") or len(text.split()) <= count


@given(text=TEXTS, count=st.integers(0, 12))
def test_cutting_keeps_the_beginning_as_it_stands(text: str, count: int) -> None:
    cut = cut_words(text, count)
    assert text.startswith(cut)
    assert cut.split() == text.split()[:count]


@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_encodable_text_differs_in_halves_of_pairs_alone(text: str) -> None:
    clean = encodable(text)
    assert clean.encode("utf-8").decode("utf-8") == clean
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert clean == text


def test_words_keep_what_stands_inside_them() -> None:
    assert words("Nate's well-worn Lamp, 42 TIMES_over!") == [
        "nate's",
        "well-worn",
        "lamp",
        "42",
        "times",
        "over",
    ]


@given(text=DOCUMENTS, n=st.integers(2, 5))
def test_ngrams_are_the_runs_of_n_words(text: str, n: int) -> None:
    assert len(list(word_ngrams(text, n))) == max(0, len(text.split()) - n + 1)


def test_ngrams_do_not_join_words_that_only_look_alike() -> None:
    assert set(word_ngrams("ab c", 2)).isdisjoint(word_ngrams("a bc", 2))


class TestKeywordsUsed:
    @pytest.mark.parametrize(
        ("keyword", "text"),
        [
            ("lamp", "Two lamps."),
            ("lamps", "A lamp."),
            ("tray", "the trays were hot"),
            ("tray", "the tray's rim"),
            ("kite", "the kite's tail"),
            ("berry", "berries"),
            ("cookie", "cookies"),
            ("box", "boxes"),
            ("glass", "three glasses"),
            ("lens", "lenses"),
            ("potato", "potatoes"),
            ("shelf", "shelves"),
            ("knife", "knives"),
            ("monkey", "Monkeys!"),
            ("Nate", "nate’s boat"),
            ("bus", "buses"),
            ("LAMP", "lamp"),
            ("cash flow forecast", "the forecast of cash"),
            ("index fund", "a fund"),
            ("Ölpreis", "der ölpreis"),
        ],
    )
    def test_plurals_and_possessives_count(self, keyword: str, text: str) -> None:
        assert keywords_used(text, [keyword]) == [keyword]

    @pytest.mark.parametrize(
        ("keyword", "text"),
        [
            ("note", "it was not there"),
            ("plan", "the plane landed"),
            ("lamp", "a lamppost"),
            ("cash flow forecast", "cash"),
            ("pass", "the pas"),
            ("!?", "!?"),
            ("", "anything"),
        ],
    )
    def test_other_words_do_not(self, keyword: str, text: str) -> None:
        assert keywords_used(text, [keyword]) == []

    @given(keywords=st.lists(VOCABULARY, max_size=6), text=DOCUMENTS)
    def test_what_is_used_is_among_the_keywords_in_their_order(
        self, keywords: list[str], text: str
    ) -> None:
        used = keywords_used(text, keywords)
        assert used == [keyword for keyword in keywords if keyword in used]
        assert {word for word in keywords if word in text.split()} <= set(used)


class TestNgramIndex:
    @given(text=DOCUMENTS)
    def test_a_text_overlaps_wholly_with_itself(self, text: str) -> None:
        index = NgramIndex(3)
        index.add("one", text)
        found = index.overlap(text)
        long_enough = len(text.split()) >= 3
        assert found == (("one", 1.0) if long_enough else (None, 0.0))

    @given(texts=st.lists(DOCUMENTS, max_size=5), text=DOCUMENTS)
    def test_the_share_is_that_of_the_most_alike_text(self, texts: list[str], text: str) -> None:
        index = NgramIndex(2)
        for number, earlier in enumerate(texts):
            index.add(str(number), earlier)
        grams = set(word_ngrams(text, 2))
        shares = [
            len(grams & set(word_ngrams(earlier, 2))) / len(grams or {0}) for earlier in texts
        ]
        assert index.overlap(text).share == max(shares, default=0.0)

    @given(one=DOCUMENTS, other=DOCUMENTS)
    def test_two_texts_with_as_many_ngrams_overlap_alike_in_both_directions(
        self, one: str, other: str
    ) -> None:
        forth, back = NgramIndex(2), NgramIndex(2)
        forth.add("one", one)
        back.add("other", other)
        size_one, size_other = (len(set(word_ngrams(text, 2))) for text in (one, other))
        there, here = forth.overlap(other).share, back.overlap(one).share
        assert there * size_other == pytest.approx(here * size_one)

    def test_nothing_learnt_overlaps_with_nothing(self) -> None:
        assert NgramIndex(8).overlap("a b c d e f g h i") == (None, 0.0)

    def test_case_and_punctuation_make_no_text_new(self) -> None:
        index = NgramIndex(3)
        index.add("one", "The lamp stood in the garden.")
        assert index.overlap("the LAMP — stood, in the garden!").share == 1.0

    def test_within_bounded_memory_the_share_stays_near(self) -> None:
        small, whole = NgramIndex(3, most=3000), NgramIndex(3)
        for number in range(20):
            text = " ".join(f"w{number}x{place}" for place in range(1000))
            small.add(str(number), text)
            whole.add(str(number), text)
        half = " ".join(f"w7x{place}" for place in range(500))
        draft = half + " " + " ".join(f"new{place}" for place in range(500))
        exact, estimate = whole.overlap(draft), small.overlap(draft)
        assert estimate.id == exact.id == "7"
        assert estimate.share == pytest.approx(exact.share, abs=0.15)
