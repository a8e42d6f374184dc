"""The instructions that one document has, each of which must be unlike the others."""

from typing import NamedTuple

from metasynth.records.record import Record
from metasynth.text.rouge import word_rouge_l
from metasynth.text.words import words


class Likeness(NamedTuple):
    """An earlier instruction of the same document, and the share that a question has with it."""

    id: str
    question: str
    share: float


class Siblings:
    """What was asked of each document.

    Args:
        most: ROUGE-L (0 to 1) from which on two questions count as the same.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self._asked: dict[str, dict[str, str]] = {}

    def learn(self, record: Record) -> None:
        """Keep the question of an accepted instruction."""
        if record.question:
            for parent in record.parent_ids:
                self._asked.setdefault(parent, {})[record.id] = record.question

    def asked_of(self, parent: str) -> list[str]:
        """The questions of a document, the first first."""
        return list(self._asked.get(parent, {}).values())

    def likest(self, parent: str, question: str) -> Likeness | None:
        """The question of the same document that has most in common; None where it has none."""
        found = words(question)
        likenesses = [
            Likeness(id_, other, word_rouge_l(found, words(other)))
            for id_, other in self._asked.get(parent, {}).items()
        ]
        return max(likenesses, key=lambda likeness: likeness.share, default=None)

    def repeated(self, parent: str, text: str) -> str:
        """Which question of the same document is nearly the same, as a sentence; "" where none."""
        likest = self.likest(parent, text) if parent else None
        if likest is None or likest.share < self.most:
            return ""
        return (
            f"has {likest.share:.0%} in common with {likest.id}, made from the same document: "
            f"{likest.question}"
        )
