"""How many texts nearly equal another one: Jaccard similarity of character 5-grams.

Pairs are proposed by MinHash in bands and then measured exactly, so a pair that counts is one, and
a pair at the threshold is missed with a probability under 1 in 1,000. Within a band a text is
compared with a bounded number of others, so that time and memory grow with the texts alone.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metasynth.eval.metric import Measurement, metric, undefined
from metasynth.text.contamination import NEAR
from metasynth.text.shingles import Hashes, shingle_hashes

_BANDS, _ROWS = 24, 5
_NEIGHBOURS = 32  # in a band's bucket that a text is compared with
_SLACK = 0.12  # an estimate of 120 hashes lies this far below the truth once in a thousand
_MASKS = np.random.default_rng(13).integers(0, 2**64, size=_BANDS * _ROWS, dtype=np.uint64)
_AT_ONCE = 2**13  # shingles that are hashed together


@metric("near-duplicates", better="lower", place=13)
def near_duplicate_rate(texts: Sequence[str], *, threshold: float = NEAR) -> Measurement:
    """Share of texts that nearly equal another.

    0 to 1. `detail` tells how many there are, how many equal another one but for case and
    blanks, and one pair to look at.
    """
    settings = {
        "similarity": "Jaccard of character 5-grams, lower case, blanks as one",
        "threshold": threshold,
        "candidates": f"MinHash, {_BANDS} bands of {_ROWS}, {_NEIGHBOURS} neighbours in each",
    }
    if len(texts) < 2:
        return undefined(f"needs two texts, there are {len(texts)}", len(texts), settings)
    partner = partners(texts, threshold=threshold)
    alike = np.flatnonzero(partner >= 0)
    detail: dict[str, object] = {"texts": len(alike), "equal": _equal(texts)}
    if len(alike):
        detail["example"] = [int(alike[0]), int(partner[alike[0]])]
    return Measurement(len(alike) / len(texts), len(texts), settings, detail)


def partners(texts: Sequence[str], *, threshold: float = NEAR) -> NDArray[np.int64]:
    """For each text one that is at least this similar, or -1, [texts]."""
    compared = [_compared(text) for text in texts]
    partner = _equal_partners(compared)
    distinct = [i for i in range(len(texts)) if partner[i] < 0 or partner[i] > i]
    signatures = np.stack([_signature(compared[i]) for i in distinct])
    jaccard = _Jaccard(compared)
    order = np.array(distinct)
    for band in range(_BANDS):
        part = np.ascontiguousarray(signatures[:, band * _ROWS : (band + 1) * _ROWS])
        keys = np.unique(part, axis=0, return_inverse=True)[1].ravel()
        sorted_ = np.argsort(keys, kind="stable")
        for shift in range(1, min(_NEIGHBOURS, len(sorted_) - 1) + 1):
            left, right = sorted_[:-shift], sorted_[shift:]
            is_open = (keys[left] == keys[right]) & (
                (partner[order[left]] < 0) | (partner[order[right]] < 0)
            )
            if not is_open.any():
                break  # no bucket is wider, or all in them have a partner
            alike = (signatures[left[is_open]] == signatures[right[is_open]]).mean(axis=1)
            likely = alike >= threshold - _SLACK
            for i, j in zip(
                order[left[is_open][likely]], order[right[is_open][likely]], strict=True
            ):
                if (partner[i] < 0 or partner[j] < 0) and jaccard(i, j) >= threshold:
                    partner[i] = j if partner[i] < 0 else partner[i]
                    partner[j] = i if partner[j] < 0 else partner[j]
    return partner


def _compared(text: str) -> str:
    return " ".join(text.lower().split())


def _equal(texts: Sequence[str]) -> int:
    return int((_equal_partners([_compared(text) for text in texts]) >= 0).sum())


def _equal_partners(compared: Sequence[str]) -> NDArray[np.int64]:
    """For each text one that is equal: the first, and for the first the second; else -1."""
    partner = np.full(len(compared), -1, dtype=np.int64)
    first: dict[str, int] = {}
    for number, text in enumerate(compared):
        earlier = first.setdefault(text, number)
        if earlier != number:
            partner[number] = earlier
            if partner[earlier] < 0:
                partner[earlier] = number
    return partner


def _signature(text: str) -> Hashes:
    """The least of the text's hashes under each of 120 orders of all hashes."""
    hashes = shingle_hashes(text)
    least = np.full(len(_MASKS), np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(hashes), _AT_ONCE):
        part = hashes[start : start + _AT_ONCE]
        np.minimum(least, (part[None, :] ^ _MASKS[:, None]).min(axis=1), out=least)
    return least


class _Jaccard:
    """Exact similarities; the shingles of a few texts are kept, because pairs come in runs."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._shingles = lru_cache(maxsize=256)(lambda number: shingle_hashes(texts[number]))

    def __call__(self, one: int, other: int) -> float:
        first, second = self._shingles(one), self._shingles(other)
        shared = len(np.intersect1d(first, second, assume_unique=True))
        return shared / max(1, len(first) + len(second) - shared)
