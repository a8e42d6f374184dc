"""What counts as being in a test set, and what does not."""

import gzip
import json
import random
import string
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.errors import ConfigError
from metasynth.sources.contamination import read_contamination
from metasynth.text.contamination import Contamination, PlacedText, plain_words
from metasynth.text.shingles import NearIndex
from tests.raising import raises
from tests.shared_data import data_file, data_texts

WORDS = ["red", "blue", "green", "lamp", "tray", "rope"]
LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
MANY = st.lists(TEXTS, max_size=6)


def kinds(test_set: Contamination, text: str) -> list[str]:
    return [hit.kind for hit in test_set.all_hits(text)]


def by_ngrams(texts: list[str], *, ngram: int) -> Contamination:
    return Contamination(texts, ngram=ngram, near=None)


def flagged(texts: list[str], test_set: Contamination) -> list[str]:
    return [text for text in texts if "ngram" in kinds(test_set, text)]


def slow_ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    words = plain_words(text)
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


# --- the rule of the paper


def test_twelve_shared_words_stay_and_thirteen_go() -> None:
    words = LONG.split()
    test_set = by_ngrams([LONG], ngram=13)
    twelve = " ".join(["x", *words[:12], "y", *words[12:]])
    thirteen = " ".join(["x", *words[:13], "y", *words[13:]])
    assert kinds(test_set, twelve) == []
    hit = test_set.hits(thirteen)
    assert hit is not None
    assert hit == ("ngram", "text 1", " ".join(words[:13]))


def test_a_change_in_numbers_alone_still_goes() -> None:
    test_set = Contamination(
        ["Ann has 5 red lamps and buys 12 more at $3 each in the old shop by the river."]
    )
    other = "Ann has 71 red lamps and buys 2 more at $45 each in the old shop by the river."
    assert "ngram" in kinds(test_set, other)
    assert "exact" in kinds(test_set, other)


def test_a_text_under_thirteen_words_never_goes_by_this_rule() -> None:
    short = " ".join(LONG.split()[:12])
    assert kinds(Contamination([short]), short) == ["exact", "near"]
    assert kinds(Contamination([LONG]), short) == []


def test_runs_do_not_cross_test_texts() -> None:
    words = LONG.split()
    test_set = by_ngrams([" ".join(words[:7]), " ".join(words[7:14])], ngram=13)
    assert test_set.hits(LONG) is None


def test_thirteen_words_is_a_setting() -> None:
    words = LONG.split()
    text = " ".join(["x", *words[:5], "y"])
    assert kinds(Contamination([LONG], ngram=5), text) == ["ngram"]
    assert kinds(Contamination([LONG], ngram=6), text) == []
    with pytest.raises(ValueError, match="two words"):
        Contamination([LONG], ngram=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("State-of-the-art: it's 5pm!", ["stateoftheart", "its", "pm"]),
        ("A “curly” word — and 3½ €", ["a", "curly", "word", "and"]),
        ("\tX  y\n\nZ ", ["x", "y", "z"]),
        ("ﬁne ＦＵＬＬ cafe\u0301", ["fine", "full", "café"]),
        ("12 + 7 = ?", []),
        ("", []),
    ],
)
def test_what_is_left_of_a_text(text: str, expected: list[str]) -> None:
    assert plain_words(text) == expected


@given(text=st.text(st.characters(max_codepoint=127)))
def test_on_ascii_it_is_the_rule_to_the_letter(text: str) -> None:
    deleted = str.maketrans("", "", string.punctuation + string.digits)
    assert plain_words(text) == text.lower().translate(deleted).split()


@given(texts=MANY, candidates=MANY, n=st.integers(2, 6))
def test_it_finds_what_a_slow_search_finds(texts: list[str], candidates: list[str], n: int) -> None:
    known = set().union(*(slow_ngrams(text, n) for text in texts))
    expected = [text for text in candidates if slow_ngrams(text, n) & known]
    assert flagged(candidates, by_ngrams(texts, ngram=n)) == expected


@given(
    texts=MANY,
    text=TEXTS,
    noise=st.lists(st.sampled_from([" ", "\n", " 7 ", " - ", "! ", " 12,5 "]), min_size=12),
)
def test_case_punctuation_digits_and_blanks_change_nothing(
    texts: list[str], text: str, noise: list[str]
) -> None:
    test_set = by_ngrams(texts, ngram=3)
    changed = "".join(w.upper() + b for w, b in zip(text.split(), noise, strict=False))
    assert bool(flagged([changed], test_set)) == bool(flagged([text], test_set))


@given(texts=MANY, more=MANY, candidates=MANY)
def test_more_test_texts_flag_more(
    texts: list[str], more: list[str], candidates: list[str]
) -> None:
    few = flagged(candidates, by_ngrams(texts, ngram=3))
    assert set(few) <= set(flagged(candidates, by_ngrams([*more, *texts], ngram=3)))
    rest = [text for text in candidates if text not in few]
    assert not flagged(rest, by_ngrams(texts, ngram=3))


@given(texts=MANY, candidates=MANY, n=st.integers(2, 5))
def test_longer_runs_flag_less(texts: list[str], candidates: list[str], n: int) -> None:
    longer = flagged(candidates, by_ngrams(texts, ngram=n + 1))
    assert set(longer) <= set(flagged(candidates, by_ngrams(texts, ngram=n)))


@given(texts=MANY, before=TEXTS, after=TEXTS)
def test_text_around_a_flagged_text_saves_it_not(texts: list[str], before: str, after: str) -> None:
    test_set = by_ngrams(texts, ngram=3)
    long_enough = [text for text in texts if len(text.split()) >= 3]
    assert flagged(texts, test_set) == long_enough
    assert all(flagged([f"{before} {text} {after}"], test_set) for text in long_enough)


# --- equal texts and near-duplicates


@pytest.mark.parametrize("text", ["yes", "What is 3 + 4?", "红灯在河边吗", "Sort a list."])
def test_a_short_text_is_known_by_its_words_and_numbers(text: str) -> None:
    test_set = Contamination([text])
    assert kinds(test_set, text.upper() + " !") == ["exact", "near"]
    assert test_set.short == 1


def test_short_questions_with_other_numbers_or_signs_are_others() -> None:
    test_set = Contamination(["What is 3 + 4?"])
    assert kinds(test_set, "what is 3+4") == ["exact", "near"]
    for other in ("What is 3 + 5?", "What is 3 - 4?", "What is?", "What is 34?"):
        assert "exact" not in kinds(test_set, other)
    assert kinds(test_set, "Mother asked: What is 3 + 4? I do not know, said the boy.") == []


def test_a_short_test_text_is_found_whole_in_a_longer_one() -> None:
    eight = "write a function to sort a nested list"
    test_set = Contamination([PlacedText(eight, "mbpp, line 3")])
    inside = f"Please {eight.title()} and then tell me all about how quickly it really runs!"
    hit = test_set.hits(inside)
    assert hit == ("exact", "mbpp, line 3", eight)
    seven = Contamination(["write a function to sort a list"])
    assert seven.hits("please write a function to sort a list and then tell me more") is None


def test_a_changed_word_is_a_near_duplicate() -> None:
    text = "Write a python function to find the cube sum of first natural numbers."
    near = text.replace("python function", "Python3 function").replace("first", "the first")
    test_set = Contamination(["Something else entirely here", text])
    hit = test_set.hits(near)
    assert hit is not None
    assert (hit.kind, hit.place) == ("near", "text 2")
    assert 0.8 <= float(hit.detail.removeprefix("similarity ")) < 1
    assert Contamination([text], near=None).hits(near) is None
    assert (
        test_set.hits("Write a python function to find the largest prime below a number.") is None
    )


@given(texts=st.lists(TEXTS, min_size=1, max_size=5), text=TEXTS)
def test_similarity_is_jaccards(texts: list[str], text: str) -> None:
    def shingles(of: str) -> set[str]:
        return {of[i : i + 5] for i in range(max(1, len(of) - 4))}

    mine = shingles(text)
    expected = [len(mine & shingles(t)) / len(mine | shingles(t)) for t in texts]
    found = NearIndex(texts).nearest(text)
    if max(expected) == 0:
        assert found is None
    else:
        assert found is not None
        assert found.similarity == pytest.approx(max(expected))
        assert found.number == expected.index(max(expected))


def test_long_texts_are_compared_by_a_sample() -> None:
    rng = random.Random(0)
    page = " ".join("".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(2000))
    words = page.split()
    half = " ".join(words[:1000] + [word[::-1] for word in words[1000:]])
    index = NearIndex(["lamp", page])
    same, changed = index.nearest(page), index.nearest(half)
    assert same == (1, 1.0)
    assert changed is not None
    assert changed.number == 1
    assert changed.similarity == pytest.approx(1 / 3, abs=0.1)


def test_a_long_test_text_costs_no_more_than_its_words() -> None:
    rng = random.Random(0)
    pages = [
        " ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(20_000)) for _ in range(5)
    ]
    tracemalloc.start()
    test_set = Contamination(pages)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert test_set.hits(pages[3]) is not None
    # 12 bytes a word and 10 KB a text, beside the cache of word hashes (64K of them at most)
    assert held < 5 * 20_000 * 16 + 5 * 12_000 + 65_536 * 300


def test_an_empty_test_set_and_empty_texts_hit_nothing() -> None:
    assert Contamination([]).hits(LONG) is None
    test_set = Contamination(["", "?!", "  ", LONG])
    assert (test_set.size, test_set.short) == (1, 0)
    assert test_set.hits(LONG) == ("ngram", "text 4", " ".join(LONG.split()[:13]))
    assert test_set.all_hits("") == test_set.all_hits("…") == []


def test_lone_surrogates_are_no_error() -> None:
    assert kinds(Contamination(["\ud800 lamp"]), "\ud800 lamp") == ["exact", "near"]


# --- files


def test_hits_name_file_line_and_field(tmp_path: Path) -> None:
    rows = [{"question": "How many?", "answer": "Four lamps stand there."}, {"question": LONG}]
    file, other = tmp_path / "test.jsonl.gz", tmp_path / "more.txt"
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    other.write_text("\nSort a list by length\n", encoding="utf-8")
    test_set = read_contamination([file, other], ("question", "answer"), setting="fields")
    assert (test_set.size, test_set.short) == (4, 3)
    for text, place in (
        (LONG, f"{file}, line 2, question"),
        ("four lamps stand there", f"{file}, line 1, answer"),
        ("Sort a list by length.", f"{other}, line 2"),
    ):
        hit = test_set.hits(text)
        assert hit is not None
        assert hit.place == place


def test_a_test_set_without_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "empty.txt"
    file.write_text("\n ?! \n", encoding="utf-8")
    with raises(ConfigError, "no_text", "empty.txt"):
        read_contamination([file], ("question",), setting="fields")
    with raises(ConfigError, "unreadable_file"):
        read_contamination([tmp_path / "none.jsonl"], ("question",), setting="fields")


def test_two_real_training_questions_share_a_run_with_the_test_questions() -> None:
    path = data_file("gsm8k/test.jsonl.gz")
    test_set = read_contamination([path], ("question",), setting="fields")
    assert test_set.size == 659
    found = [test_set.all_hits(q) for q in data_texts("gsm8k/train.jsonl.gz", "question")]
    kinds = [[hit.kind for hit in hits] for hits in found]
    assert sum("ngram" in each for each in kinds) == 2
    assert sum("exact" in each for each in kinds) == 0


@pytest.mark.parametrize(
    ("name", "field", "share"),
    [("mbpp/test.jsonl.gz", "text", 0.33), ("boolq/dev.jsonl.gz", "question", 0.99)],
)
def test_how_many_test_texts_the_rule_can_never_hit(name: str, field: str, share: float) -> None:
    test_set = read_contamination([data_file(name)], (field,), setting="fields")
    assert test_set.short / test_set.size == pytest.approx(share, abs=0.02)
    texts = data_texts(name, field)
    assert all("exact" in [hit.kind for hit in test_set.all_hits(text)] for text in texts)
