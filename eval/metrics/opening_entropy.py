"""Entropy of openings: a corpus whose texts all begin alike has 0."""

from collections.abc import Sequence
from dataclasses import replace

from metasynth.eval.entropy import label_entropy
from metasynth.eval.metric import Measurement, metric
from metasynth.text.words import opening

_WORDS = 3


@metric("entropy of openings", better="higher", place=14)
def opening_entropy(texts: Sequence[str], *, words: int = _WORDS) -> Measurement:
    """Bits, of the texts' first words.

    In lower case and without punctuation.
    """
    entropy = label_entropy([opening(text, words) for text in texts], what="opening")
    return replace(entropy, settings={**entropy.settings, "words": words})
