"""Diversity of 1-grams."""

from metasynth.eval.metric import Measurement, metric
from metasynth.eval.ngrams import ngram_diversity
from metasynth.eval.tokens import TokenTable


@metric("1-gram diversity", better="higher", needs="tokens", place=3)
def ngram_diversity_1(tokens: TokenTable) -> Measurement:
    """Distinct words / words."""
    return ngram_diversity(tokens, 1)
