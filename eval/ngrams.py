"""Diversity of n-grams: it moves with the size of the corpus."""

from .metric import Measurement, undefined
from .tokens import MEANING, TokenTable


def ngram_diversity(tokens: TokenTable, n: int) -> Measurement:
    """Distinct n-grams / all n-grams, pooled over the texts, inside texts; above 0 to 1.

    Compare at equal texts and equal words alone. What MetaSynth calls n-gram diversity is not
    known in detail; the package `diversity` sums this ratio over 1 to n on one stream of words
    (see `diversity_package.ngram_diversity_sum`).
    """
    settings = {"n": n, "words": MEANING[tokens.unit], "scope": "inside texts"}
    grams = tokens.grams(n)
    total = len(grams.numbers)
    if not total:
        return undefined(f"no text has {n} words", len(tokens), settings)
    detail = {"distinct": grams.types, "all": total}
    return Measurement(grams.types / total, len(tokens), settings, detail)
