"""Mean inverse frequency: how rare the words are, by a reference corpus.

The formula of MetaSynth's metric of this name is not known to us, and this is not claimed to be it.
Taken inside the corpus itself it would say nothing new: the mean over words of N / count is the
size of the vocabulary, and of 1 / count it is 1-gram diversity. So frequencies come from a
reference.
"""

import numpy as np

from metasynth.eval.metric import Measurement, metric, undefined
from metasynth.eval.tokens import MEANING, TokenTable
from metasynth.eval.word_frequencies import WordFrequencies


@metric("mean inverse frequency", better="higher", needs=("words", "reference"), place=7)
def mean_inverse_frequency(tokens: TokenTable, reference: WordFrequencies) -> Measurement:
    """Mean of 1 / a word's share in a reference corpus.

    One is added to each count of the reference; from 1 up. Unknown words share one more entry
    of the reference's vocabulary, whose count is 0 + 1; they rule the mean, so their share
    stands beside it, and so does the mean of log10, which they rule less.

    Args:
        tokens: By `words`, as the reference is counted.
        reference: By which words are rare.
    """
    settings: dict[str, object] = {"words": MEANING[tokens.unit], "smoothing": "add one"}
    if tokens.unit != "words":
        raise ValueError("a reference is counted by words, so the texts must be too")
    if not reference.total:
        return undefined("the reference is empty", len(tokens), settings)
    settings |= {"reference": reference.name, "reference_words": reference.total}
    settings["reference_fingerprint"] = reference.fingerprint
    if not len(tokens.ids):
        return undefined("there are no words", len(tokens), settings)
    known = np.array([reference.counts.get(word, 0) for word in tokens.vocabulary], dtype=float)
    entries = reference.total + len(reference.counts) + 1
    inverse = entries / (known + 1)
    share = tokens.counts / len(tokens.ids)
    detail = {
        "mean_log10": float(share @ np.log10(inverse)),
        "unknown_share": float(share[known == 0].sum()),
        "mean_over_types_inside": inverse_frequency_of_types(tokens),
    }
    return Measurement(float(share @ inverse), len(tokens), settings, detail)


def inverse_frequency_of_types(tokens: TokenTable) -> float:
    """Mean over different words of N / count, inside the corpus; it grows with N."""
    return float((len(tokens.ids) / tokens.counts).mean())
