"""Which of many texts is nearly equal to a given one: Jaccard similarity of character 5-grams.

Characters rather than words, so that texts of a few words and scripts without blanks have enough
of them. All texts of the index are compared at once, exactly up to `_MOST` shingles a text. Of a
longer one a fixed random sample is kept (those whose hash is divisible by 2, 4, 8, …), so that what
a text costs has a bound: about 20 bytes a shingle, 10 KB a text.
"""

from array import array
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_WIDTH = 5
_MOST = 512
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


class Nearest(NamedTuple):
    """The place of the most similar text in the index and its Jaccard similarity (0 to 1)."""

    number: int
    similarity: float


class NearIndex:
    """Texts, by their shingles. Memory depends on the texts given here alone."""

    def __init__(self, texts: Iterable[str]) -> None:
        hashes, owners = array("Q"), array("i")
        sizes, levels = array("i"), array("q")
        for owner, text in enumerate(texts):
            shingles = shingle_hashes(text)
            level = 1
            while len(shingles) > _MOST * level:
                level *= 2
            kept = shingles[shingles % np.uint64(level) == 0]
            hashes.frombytes(kept.tobytes())
            owners.extend([owner] * len(kept))
            sizes.append(len(kept))
            levels.append(level)
        self._sizes = np.array(sizes, dtype=np.int64)
        self._levels, self._level_of = np.unique(np.array(levels, np.int64), return_inverse=True)
        found = np.array(hashes, dtype=np.uint64)
        order = np.argsort(found, kind="stable")
        self._owners = np.array(owners, dtype=np.int32)[order]
        # postings of shingle i: owners from starts[i] to starts[i + 1]
        self._hashes, starts = np.unique(found[order], return_index=True)
        self._starts = np.append(starts, len(found))

    def nearest(self, text: str) -> Nearest | None:
        """The most similar text, the first of equals; None where none shares a shingle."""
        shingles = shingle_hashes(text)
        if not len(self._hashes):
            return None
        places = np.searchsorted(self._hashes, shingles)
        places[places == len(self._hashes)] = 0
        places = places[self._hashes[places] == shingles]
        if not len(places):
            return None
        begins, lengths = self._starts[places], np.diff(self._starts)[places]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        owners = self._owners[np.repeat(begins, lengths) + within]
        shared = np.bincount(owners, minlength=len(self._sizes))
        # the shingles of this text that would have been kept at each level
        own = np.array([(shingles % np.uint64(level) == 0).sum() for level in self._levels])
        similarity = shared / np.maximum(own[self._level_of] + self._sizes - shared, 1)
        best = int(similarity.argmax())
        return Nearest(best, float(similarity[best]))


def shingle_hashes(text: str) -> Hashes:
    """The distinct hashes of all runs of five characters; of a shorter text, of its whole."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    width = min(_WIDTH, len(codes))
    if not width:
        return np.zeros(0, dtype=np.uint64)
    count = len(codes) - width + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(width):
        mixed = mixed * _FACTOR + codes[offset : offset + count]
    # finaliser of splitmix64: afterwards every bit depends on every other
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.unique(mixed ^ (mixed >> np.uint64(31)))
