"""ROUGE-L: how much of two texts is one sequence of words with gaps."""

from collections.abc import Sequence

from .words import words


def rouge_l(text: str, other: str) -> float:
    """F1 of the longest common subsequence of words, 0 to 1; 0 where either has no word.

    Lin 2004 (ROUGE-L with beta = 1), as Self-Instruct uses it, without stemming.
    """
    return word_rouge_l(words(text), words(other))


def word_rouge_l(first: Sequence[str], second: Sequence[str]) -> float:
    """`rouge_l` of texts that are split into words already."""
    if not first or not second:
        return 0.0
    return 2 * common_words(first, second) / (len(first) + len(second))


def common_words(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel (Hyyrö 2004): a row of the table is one integer, so a word of `second` costs a few
    operations on as many bits as `first` has words.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    mask = (1 << len(first)) - 1
    row = mask
    for word in second:
        match = row & places.get(word, 0)
        row = ((row + match) | (row - match)) & mask
    return len(first) - row.bit_count()
