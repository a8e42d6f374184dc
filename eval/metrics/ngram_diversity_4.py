"""Diversity of 4-grams."""

from metasynth.eval.metric import Measurement, metric
from metasynth.eval.ngrams import ngram_diversity
from metasynth.eval.tokens import TokenTable


@metric("4-gram diversity", better="higher", needs="tokens", place=4)
def ngram_diversity_4(tokens: TokenTable) -> Measurement:
    """Distinct runs of four words / all of them."""
    return ngram_diversity(tokens, 4)
