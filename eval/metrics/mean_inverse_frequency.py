"""Mean inverse frequency: how rare the words are, by a reference corpus.

The formula of MetaSynth's metric of this name is not known to us, and this is not claimed to be it.
Taken inside the corpus itself it would say nothing new: the mean over words of N / count is the
size of the vocabulary, and of 1 / count it is 1-gram diversity. So frequencies come from a
reference.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from metasynth.eval.metric import Metric, undefined
from metasynth.eval.tokens import MEANING, TokenTable
from metasynth.text.words import words


@dataclass(frozen=True)
class WordFrequencies:
    """How often words occur in a reference corpus.

    Attributes:
        counts: Of each word, in lower case, without punctuation.
        name: What a person calls the reference.
    """

    counts: Counter[str]
    name: str

    @property
    def total(self) -> int:
        """Words in all."""
        return self.counts.total()

    @property
    def fingerprint(self) -> str:
        """Names the counts: two references with one fingerprint are the same."""
        told = "\n".join(f"{word} {count}" for word, count in sorted(self.counts.items()))
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def word_frequencies(texts: Iterable[str], name: str) -> WordFrequencies:
    """The word counts of a reference corpus, read once."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    return WordFrequencies(counts, name)


def mean_inverse_frequency(tokens: TokenTable, reference: WordFrequencies | None) -> Metric:
    """Mean over words of 1 / p(word), p from a reference with one added to each count; from 1 up.

    Unknown words share one more entry of the reference's vocabulary, whose count is 0 + 1; they
    rule the mean, so their share stands beside it, and so does the mean of log10, which they rule
    less.

    Args:
        tokens: By `words`, as the reference is counted.
        reference: None: not defined.
    """
    settings: dict[str, object] = {"words": MEANING[tokens.unit], "smoothing": "add one"}
    if tokens.unit != "words":
        raise ValueError("a reference is counted by words, so the texts must be too")
    if reference is None or not reference.total:
        reason = "no reference corpus was given" if reference is None else "the reference is empty"
        return undefined(reason, len(tokens), settings)
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
    return Metric(float(share @ inverse), len(tokens), settings, detail)


def inverse_frequency_of_types(tokens: TokenTable) -> float:
    """Mean over different words of N / count, inside the corpus; it grows with N."""
    return float((len(tokens.ids) / tokens.counts).mean())
