"""Whether a text is in a test set: shared n-grams, equal texts, near-duplicates.

The rule of SoftSRV (arXiv 2410.16534, appendix A.3): lower case, punctuation and digits deleted,
split at blanks; a text goes that shares any run of 13 words with one test text. Runs do not cross
test texts. Texts under 13 words can never be hit by that rule (a third of MBPP's test prompts), so
there are two more: *exact* (equal to a test text, or holding the whole of one that has eight words
or more) and *near* (Jaccard similarity of character 5-grams of at least 0.8).

"Deleted" holds for punctuation, symbols and digits of all of Unicode: with ASCII's alone, a curly
quote would hide a match. `state-of-the-art` becomes one word, here as there.
"""

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .shingles import NearIndex
from .words import is_unspaced, words

Kind = Literal["ngram", "exact", "near"]

NEAR = 0.8
# Below so many words a text without its numbers says too little: "What is 3 + 4?" is not
# "What is 5 + 6?". It is compared with its numbers and signs, and not looked for inside others.
_FEW_WORDS = 8
_WITH_NUMBERS = re.compile(r"\d+|[^\W\d_]+|[-+*/=<>^%]")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


class PlacedText(NamedTuple):
    """A text and where it stands, as a person would look it up: file, line, field."""

    text: str
    place: str


class Hit(NamedTuple):
    """What a text shares with a test set.

    Attributes:
        kind: `ngram`, `exact` or `near`.
        place: Of the test text: its file, line and field.
        detail: The shared words, or the similarity.
    """

    kind: Kind
    place: str
    detail: str


class Contamination:
    """A test set that texts are checked against.

    Memory depends on the test set alone: about 12 bytes a word for the n-grams, and at most 10 KB a
    text for near-duplicates.

    Args:
        texts: The test texts; without places they are called "text 1", "text 2", ….
        ngram: Words that two texts may not share in a row.
        near: Similarity from which on two texts are near-duplicates; None for no such check.

    Attributes:
        size: Test texts that hold anything to compare.
        short: Those of them with fewer than `ngram` words, which the n-gram rule cannot hit.
    """

    def __init__(
        self, texts: Iterable[PlacedText | str], *, ngram: int = 13, near: float | None = NEAR
    ) -> None:
        if ngram < 2:
            raise ValueError("an n-gram has two words at least")
        self.ngram = ngram
        self._near = near
        self._places: list[str] = []
        self._exact: dict[bytes, int] = {}
        self.short = 0
        # by length: that of the rule, and for test texts shorter than that their own
        windows: dict[int, _Windows] = {}
        # one pass over the texts, which are held nowhere as a whole
        self._shingles = NearIndex(self._taken_up(texts, windows))
        self._windows = {length: windows[length].frozen() for length in sorted(windows)}

    @property
    def size(self) -> int:
        """How many test texts hold anything to compare."""
        return len(self._places)

    def hits(self, text: str) -> Hit | None:
        """The first thing that `text` shares: an n-gram, else the whole, else nearly the whole."""
        return next(self._found(text), None)

    def all_hits(self, text: str) -> list[Hit]:
        """One hit of each kind that there is."""
        return list(self._found(text))

    def all_kinds(self, text: str) -> set[Kind]:
        """The kinds of `all_hits`."""
        return {hit.kind for hit in self._found(text)}

    def _taken_up(
        self, texts: Iterable[PlacedText | str], windows: dict[int, "_Windows"]
    ) -> Iterator[str]:
        """Remember each test text; gives what near-duplicates are compared by."""
        for number, given in enumerate(texts, start=1):
            text, place = (given, f"text {number}") if isinstance(given, str) else given
            words = plain_words(text)
            compared = _compared(text, words)
            if not compared:
                continue
            owner = len(self._places)
            self._places.append(place)
            self._exact.setdefault(_digest(compared), owner)
            self.short += len(words) < self.ngram
            length = min(self.ngram, len(words))
            if length == self.ngram or length >= _FEW_WORDS:
                windows.setdefault(length, _Windows()).add(_window_hashes(words, length), owner)
            yield compared if self._near is not None else ""

    def _found(self, text: str) -> Iterator[Hit]:
        words = plain_words(text)
        if hit := self._shared_words(words, self.ngram, "ngram"):
            yield hit
        compared = _compared(text, words)
        equal = self._exact.get(_digest(compared))
        if equal is not None:
            yield Hit("exact", self._places[equal], "the same text")
        else:
            shorter = (length for length in self._windows if length < self.ngram)
            inside = (self._shared_words(words, length, "exact") for length in shorter)
            if hit := next(filter(None, inside), None):
                yield hit
        if self._near is None:
            return
        nearest = self._shingles.nearest(compared)
        if nearest is not None and nearest.similarity >= self._near:
            detail = f"similarity {nearest.similarity:.2f}"
            yield Hit("near", self._places[nearest.number], detail)

    def _shared_words(self, words: Sequence[str], length: int, kind: Kind) -> Hit | None:
        known = self._windows.get(length)
        if known is None or len(words) < length:
            return None
        place = known.first(_window_hashes(words, length))
        if place is None:
            return None
        start, owner = place
        return Hit(kind, self._places[owner], " ".join(words[start : start + length]))


def match_with(contamination: Contamination | None, text: str) -> str:
    """What a text shares with the test set, in words; "" for nothing, or where there is no set."""
    hit = contamination.hits(text) if contamination is not None else None
    return f"{hit.kind} match with {hit.place}: {hit.detail}" if hit is not None else ""


def plain_words(text: str) -> list[str]:
    """The words of `text` in lower case without punctuation, symbols and digits.

    Where no blanks part the words they are those of `words`: a character of Chinese is one.
    """
    plain = _composed(text).translate(_DELETED)
    return words(plain) if is_unspaced(plain) else plain.split()


def _compared(text: str, words: Sequence[str]) -> str:
    """What two texts have in common when they are equal but for case, signs and numbers."""
    if len(words) >= _FEW_WORDS:
        return " ".join(words)
    # a mark of its own, lest a long text's words equal a short text's
    parts = _WITH_NUMBERS.findall(_composed(text))
    return "# " + " ".join(parts) if parts else ""


def _composed(text: str) -> str:
    lowered = text.lower()
    return lowered if lowered.isascii() else unicodedata.normalize("NFKC", lowered)


class _Deletions(dict[int, int | None]):
    """A table for `str.translate` that finds out about each character when it first occurs."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code))[0] in "PSN" else code
        return self[code]


_DELETED = _Deletions()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=1 << 16)
def _word_hash(word: str) -> int:
    encoded = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "big")


def _window_hashes(words: Sequence[str], length: int) -> Hashes:
    """The hash of every run of `length` words, in their order."""
    hashes = np.fromiter(map(_word_hash, words), dtype=np.uint64, count=len(words))
    count = len(words) - length + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(length):
        mixed = mixed * _FACTOR + hashes[offset : offset + count]
    return mixed


class _Windows:
    """Runs of words of one length, each with the first test text that holds it."""

    def __init__(self) -> None:
        self._collected = array("Q"), array("i")
        self._hashes: Hashes = np.zeros(0, dtype=np.uint64)
        self._owners = np.zeros(0, dtype=np.int32)

    def add(self, hashes: Hashes, owner: int) -> None:
        self._collected[0].frombytes(hashes.tobytes())
        self._collected[1].extend([owner] * len(hashes))

    def frozen(self) -> "_Windows":
        """Sorted, each run once; call it after the last `add`."""
        hashes, owners = self._collected
        self._hashes, first = np.unique(np.array(hashes, dtype=np.uint64), return_index=True)
        self._owners = np.array(owners, dtype=np.int32)[first]
        self._collected = array("Q"), array("i")
        return self

    def first(self, hashes: Hashes) -> tuple[int, int] | None:
        """Where the first known run starts, and whose it is."""
        places = np.searchsorted(self._hashes, hashes)
        places[places == len(self._hashes)] = 0
        known = np.flatnonzero(self._hashes[places] == hashes)
        return (int(known[0]), int(self._owners[places[known[0]]])) if len(known) else None
