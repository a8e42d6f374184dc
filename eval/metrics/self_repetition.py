"""Self-repetition (Salkar et al. 2022); it moves with the size of the corpus."""

import numpy as np

from metasynth.eval.metric import Measurement, metric, undefined
from metasynth.eval.tokens import MEANING, TokenTable


@metric("self-repetition", better="lower", needs="tokens", place=12)
def self_repetition(tokens: TokenTable, n: int = 4) -> Measurement:
    """Mean ln(1 + how often a text's 4-grams stand in others).

    As in the package `diversity` (Salkar et al. 2022): an n-gram counts once for each other
    text that holds it. From 0 up; it grows with the number of texts.
    """
    settings = {"n": n, "words": MEANING[tokens.unit], "counted": "by texts, once each"}
    if len(tokens) < 2:
        return undefined(f"needs two texts, there are {len(tokens)}", len(tokens), settings)
    grams = tokens.grams(n)
    if not len(grams.numbers):
        return undefined(f"no text has {n} words", len(tokens), settings)
    gram, owner, _ = tokens.by_text(n)
    texts_with = np.bincount(gram, minlength=grams.types)
    elsewhere = np.bincount(owner, weights=texts_with[gram] - 1, minlength=len(tokens))
    return Measurement(float(np.log1p(elsewhere).mean()), len(tokens), settings)
