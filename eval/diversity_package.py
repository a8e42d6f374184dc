"""Metrics as the package `diversity` 0.3.1 computes them, to compare with published values."""

import gzip
from collections.abc import Sequence

from .compression import ratio_of_bytes
from .metric import Measurement, undefined


def ngram_diversity_sum(texts: Sequence[str], n: int = 4) -> Measurement:
    """Its n-gram diversity, before it is rounded to three decimals.

    The sum over 1 to `n` of distinct / all, on all texts joined by a blank and split at single
    blanks: n-grams cross texts, repeated blanks make empty words, and the order of texts counts.
    """
    settings = {"n": n, "form": "sum over 1 to n, one stream", "as": "diversity 0.3.1"}
    pieces = " ".join(texts).split(" ")
    if len(pieces) < n:
        return undefined(f"there are {len(pieces)} words", len(texts), settings)
    value = 0.0
    for length in range(1, n + 1):
        runs = [tuple(pieces[i : i + length]) for i in range(len(pieces) - length + 1)]
        value += len(set(runs)) / len(runs)
    return Measurement(value, len(texts), settings)


def compression_ratio_twice(texts: Sequence[str]) -> Measurement:
    """Its compression ratio, before it is rounded: gzip of gzip.

    Its own value moves by some bytes with the clock and with the file's name, which the headers
    hold; here the time is 0, and the outer name counts, as there, with eleven bytes.
    """
    settings: dict[str, object] = {
        "algorithm": "gzip of gzip, level 9",
        "separator": " ",
        "as": "diversity 0.3.1",
    }

    def twice(data: bytes) -> bytes:
        return gzip.compress(gzip.compress(data, 9, mtime=0), 9, mtime=0) + b"compressed\0"

    return ratio_of_bytes(texts, " ", settings, twice)
