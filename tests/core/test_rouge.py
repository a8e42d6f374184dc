"""ROUGE-L by its definition, and its properties."""

from hypothesis import given
from hypothesis import strategies as st

from metasynth.text.rouge import common_words, rouge_l, word_rouge_l

WORDS = st.lists(st.sampled_from("abcde"), max_size=30)


def slowly(first: list[str], second: list[str]) -> int:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            same = table[i][j] + 1
            table[i + 1][j + 1] = same if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(WORDS, WORDS)
def test_the_bits_count_the_longest_common_subsequence(first: list[str], second: list[str]) -> None:
    assert common_words(first, second) == slowly(first, second)


@given(WORDS, WORDS)
def test_it_is_symmetric_and_between_0_and_1(first: list[str], second: list[str]) -> None:
    share = word_rouge_l(first, second)
    assert share == word_rouge_l(second, first)
    assert 0 <= share <= 1


def test_by_hand() -> None:
    # police kill the gunman: "police … gunman" has two of four words on either side
    assert rouge_l("Police killed the gunman.", "police kill gunman now") == 0.5
    assert rouge_l("the same words", "The same words!") == 1
    assert rouge_l("", "words") == 0
