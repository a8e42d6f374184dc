"""Self-Instruct's filter for documents: nothing that is too much like one of the pool."""

from collections.abc import Mapping, Sequence

from metasynth.records.record import Record
from metasynth.text.rouge import word_rouge_l
from metasynth.text.words import words

from .siblings import Likeness, Siblings


class DocumentPool(Siblings):
    """The real documents that are shown, and what the corpus holds.

    Args:
        exemplars: Real documents by id.
        most: ROUGE-L (0 to 1) from which on two documents count as the same.
    """

    def __init__(self, exemplars: Mapping[str, str], most: float) -> None:
        super().__init__(most)
        self._words = {id_: words(text) for id_, text in exemplars.items()}

    def learn(self, record: Record) -> None:
        """Take in an accepted document."""
        self._words[record.id] = words(record.body)

    def likest(self, parent: str, question: str) -> Likeness | None:  # noqa: ARG002 - one family
        """The document of the pool that has most in common with a text."""
        found = words(question)
        best, share = "", 0.0
        for id_, other in self._words.items():
            if _most_likely(found, other) > share and (own := word_rouge_l(found, other)) > share:
                best, share = id_, own
        return Likeness(best, " ".join(self._words[best][:40]), share) if best else None

    def repeated(self, parent: str, text: str) -> str:
        """Which document of the pool a text is too much like, as a sentence; "" where none is."""
        likest = self.likest(parent, text)
        if likest is None or likest.share < self.most:
            return ""
        return f"ROUGE-L {likest.share:.2f} to {likest.id} (below {self.most:g} is asked)"


def _most_likely(first: Sequence[str], second: Sequence[str]) -> float:
    """What ROUGE-L cannot exceed, by the lengths alone."""
    return 2 * min(len(first), len(second)) / max(1, len(first) + len(second))
