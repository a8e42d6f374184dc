"""Self-BLEU (Zhu et al. 2018): how well each text is predicted by all the others.

BLEU of every text with all others as references, in one pass over the n-grams: of each n-gram the
largest count in one text, whose it is, and the largest among the rest are kept; the count that is
clipped against "all others" is then a look-up. Equal to nltk's `sentence_bleu` with
`SmoothingFunction().method1`, which takes quadratic time for the same.
"""

import numpy as np
from numpy.typing import NDArray

from metasynth.eval.metric import Measurement, metric, undefined
from metasynth.eval.tokens import MEANING, TokenTable

Floats = NDArray[np.float64]

_EPSILON = 0.1  # method1: in place of a count of matches that is zero


@metric("Self-BLEU", better="lower", needs="tokens", place=10)
def self_bleu(tokens: TokenTable, n: int = 4) -> Measurement:
    """Mean BLEU of a text against the others.

    BLEU-`n` with equal weights, 0 to 1. It grows with the number of texts. Texts shorter than
    `n` words cannot score 1, even if they are all equal; `detail` counts them.
    """
    settings = {
        "n": n,
        "words": MEANING[tokens.unit],
        "smoothing": "method1 of nltk (epsilon 0.1)",
        "references": "all other texts",
    }
    if len(tokens) < 2:
        return undefined(f"needs two texts, there are {len(tokens)}", len(tokens), settings)
    if not len(tokens.ids):
        return undefined("there are no words", len(tokens), settings)
    scores = bleu_of_each(tokens, n)
    detail = {"shorter_than_n": int((tokens.lengths < n).sum())}
    return Measurement(float(scores.mean()), len(tokens), settings, detail)


def bleu_of_each(tokens: TokenTable, n: int) -> Floats:
    """BLEU-`n` of each text against all others, [texts]; 0 for one that shares no word with any."""
    logs = np.zeros(len(tokens))
    shares_words = np.ones(len(tokens), dtype=bool)
    for length in range(1, n + 1):
        clipped = _clipped(tokens, length)
        total = np.maximum(tokens.lengths - length + 1, 1)
        if length == 1:
            shares_words = clipped > 0
        logs += np.log(np.where(clipped > 0, clipped, _EPSILON) / total) / n
    scores = np.exp(logs) * _brevity_penalty(tokens.lengths)
    return np.where(shares_words, scores, 0.0)


def _clipped(tokens: TokenTable, n: int) -> Floats:
    """Of each text, how many of its n-grams are matched, none more often than in one other text."""
    gram, owner, counts = tokens.by_text(n)
    if not len(gram):
        return np.zeros(len(tokens))
    # each n-gram's run of texts: its largest count, and the largest but that one
    firsts = np.flatnonzero(np.diff(gram, prepend=-1))
    lengths = np.diff(firsts, append=len(gram))
    best = np.repeat(np.maximum.reduceat(counts, firsts), lengths)
    is_best = counts == best
    alone = np.repeat(np.add.reduceat(is_best.astype(np.int32), firsts) == 1, lengths)
    below = np.maximum.reduceat(np.where(is_best, 0, counts), firsts)
    others = np.where(is_best & alone, np.repeat(below, lengths), best)
    matched = np.minimum(counts, others)
    return np.bincount(owner, weights=matched, minlength=len(tokens)).astype(np.float64)


def _brevity_penalty(lengths: NDArray[np.int64]) -> Floats:
    """exp(1 - r/c) for texts of c words whose nearest other length r is larger; 0 for empty."""
    ordered = np.sort(lengths)
    nearest = np.empty(len(lengths), dtype=np.float64)
    distinct, counts = np.unique(ordered, return_counts=True)
    place = np.searchsorted(distinct, lengths)
    below = distinct[np.maximum(place - 1, 0)]
    above = distinct[np.minimum(place + 1, len(distinct) - 1)]
    gap_below = np.where(place > 0, lengths - below, np.inf)
    gap_above = np.where(place < len(distinct) - 1, above - lengths, np.inf)
    nearest = np.where(gap_below <= gap_above, below, above)  # ties go to the shorter
    nearest = np.where(counts[place] > 1, lengths, nearest)
    short = np.maximum(lengths, 1)
    penalty = np.where(lengths > nearest, 1.0, np.exp(1 - nearest / short))
    return np.asarray(np.where(lengths > 0, penalty, 0.0))
