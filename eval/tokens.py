"""Texts as numbered words, and their n-grams as numbers without collisions.

An n-gram's number is a rank among those of its length, so that counting is a sort of integers, and
two n-grams have one number only if they are equal.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metasynth.text.words import words

Unit = Literal["blanks", "words"]
Integers = NDArray[np.int32]

MEANING: dict[Unit, str] = {
    "blanks": "str.split(): case and punctuation kept",
    "words": "lower case, without punctuation",
}


class Grams(NamedTuple):
    """All n-grams of a corpus in their order; none crosses texts.

    Attributes:
        numbers: [m], from 0 up without gaps.
        owners: [m], the text of each.
        types: How many different ones there are.
    """

    numbers: Integers
    owners: Integers
    types: int


class GramsByText(NamedTuple):
    """Each n-gram once for each text that holds it, sorted by n-gram, then text.

    Attributes:
        numbers: [pairs], of the n-gram.
        owners: [pairs], the text.
        counts: [pairs], how often it stands there.
    """

    numbers: Integers
    owners: Integers
    counts: Integers


@dataclass(frozen=True, eq=False)
class TokenTable:
    """The words of texts.

    Attributes:
        ids: [tokens], numbers of the words, text after text.
        starts: Text i has the tokens starts[i] to starts[i + 1] - 1, [texts + 1].
        vocabulary: The words by number.
        unit: What a word is.
    """

    ids: Integers
    starts: NDArray[np.int64]
    vocabulary: list[str]
    unit: Unit
    _grams: dict[int, Grams] = field(default_factory=dict)
    _codes: dict[int, Integers] = field(default_factory=dict)
    _by_text: dict[int, GramsByText] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each text."""
        return np.diff(self.starts)

    @property
    def owners(self) -> Integers:
        """The text of each token."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each word occurs."""
        return np.bincount(self.ids, minlength=len(self.vocabulary))

    def grams(self, n: int) -> Grams:
        """The runs of `n` words; kept, because several metrics ask for them."""
        if n not in self._grams:
            codes = self._coded(n)
            there = codes >= 0
            numbers = codes[there]
            types = int(numbers.max()) + 1 if len(numbers) else 0
            self._grams[n] = Grams(numbers, self.owners[there], types)
        return self._grams[n]

    def words_of(self, position: int, n: int) -> list[str]:
        """The `n` words that begin at a token."""
        return [self.vocabulary[number] for number in self.ids[position : position + n]]

    def positions(self, n: int) -> NDArray[np.int64]:
        """Where each n-gram of `grams(n)` begins, [m]."""
        return np.flatnonzero(self._coded(n) >= 0)

    def by_text(self, n: int) -> GramsByText:
        """Each n-gram once for each text that holds it; kept until another `n` is asked for."""
        if n not in self._by_text:
            grams = self.grams(n)
            pairs = grams.numbers.astype(np.int64) * len(self) + grams.owners
            pairs, counts = np.unique(pairs, return_counts=True)
            numbers, owners = pairs // len(self), pairs % len(self)
            self._by_text.clear()
            self._by_text[n] = GramsByText(
                numbers.astype(np.int32), owners.astype(np.int32), counts.astype(np.int32)
            )
        return self._by_text[n]

    def _coded(self, n: int) -> Integers:
        """The number of the n-gram that begins at each token, -1 where a text ends before.

        It is the rank of the pair (number of the first half, number of the second).
        """
        if n == 1:
            return self.ids
        if n not in self._codes:
            half = n // 2
            first, second = self._coded(half), self._coded(n - half)
            begins = np.flatnonzero(second[half:] >= 0)  # a later text may begin between the two
            ends = np.repeat(self.starts[1:], self.lengths)[begins]
            begins = begins[begins + n <= ends]
            pairs = first[begins].astype(np.int64) * (int(second.max(initial=0)) + 1)
            pairs += second[begins + half]
            codes = np.full(len(self.ids), -1, dtype=np.int32)
            codes[begins] = np.unique(pairs, return_inverse=True)[1]
            self._codes[n] = codes
        return self._codes[n]


def tokenise(texts: Sequence[str], unit: Unit = "blanks") -> TokenTable:
    """The words of the texts, numbered in the order in which they first occur."""
    numbers: dict[str, int] = {}
    ids, starts = array("i"), array("q", [0])
    for text in texts:
        for word in text.split() if unit == "blanks" else words(text):
            ids.append(numbers.setdefault(word, len(numbers)))
        starts.append(len(ids))
    return TokenTable(
        np.array(ids, dtype=np.int32), np.array(starts, dtype=np.int64), list(numbers), unit
    )
