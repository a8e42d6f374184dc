"""How often words occur in a reference corpus."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

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
        lines = "\n".join(f"{word} {count}" for word, count in sorted(self.counts.items()))
        return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def word_frequencies(texts: Iterable[str], name: str) -> WordFrequencies:
    """The word counts of a reference corpus, read once."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    return WordFrequencies(counts, name)
