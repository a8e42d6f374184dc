"""What a text must be unlike: earlier instructions of its document, or a whole pool.

All measure word ROUGE-L, 0 to 1. `NoLikeness` compares with nothing.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metasynth.records.record import Record
from metasynth.text.rouge import word_rouge_l
from metasynth.text.words import words


class Match(NamedTuple):
    """An earlier text, and the share (ROUGE-L) that another has with it."""

    id: str
    text: str
    share: float


class NoLikeness:
    """Compares with nothing; what else is compared with derives from it.

    Attributes:
        takes_long: Whether a comparison takes longer than a thread's start.
    """

    takes_long = False

    def learn(self, record: Record) -> None:
        """Compare later texts with an accepted record too."""

    def asked_of(self, parent: str) -> list[str]:  # noqa: ARG002 - see the others
        """The questions of a document that whoever writes the next one is told of, in order."""
        return []

    def most_similar(self, parent: str, text: str) -> Match | None:  # noqa: ARG002
        """What has most in common with a text made from the document `parent`; None for nothing."""
        return None

    def repeated(self, parent: str, text: str) -> str:  # noqa: ARG002
        """What a text nearly repeats, as a sentence; "" where nothing."""
        return ""


class SiblingQuestions(NoLikeness):
    """The instructions that one document has, each of which must be unlike the others.

    Args:
        most: ROUGE-L from which on two questions count as the same.
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

    def most_similar(self, parent: str, text: str) -> Match | None:
        """The question of the same document that has most in common."""
        found = words(text)
        matches = [
            Match(id_, other, word_rouge_l(found, words(other)))
            for id_, other in self._asked.get(parent, {}).items()
        ]
        return max(matches, key=lambda match: match.share, default=None)

    def repeated(self, parent: str, text: str) -> str:
        """Which question of the same document is nearly the same."""
        match = self.most_similar(parent, text) if parent else None
        if match is None or match.share < self.most:
            return ""
        return (
            f"has {match.share:.0%} in common with {match.id}, made from the same document: "
            f"{match.text}"
        )


class InstructionPool(SiblingQuestions):
    """The instructions that a baseline draws from: each is compared with every other.

    Args:
        seeds: The instructions that the run starts from, by id.
        most: ROUGE-L from which on two count as the same; above 1 they never do.
    """

    takes_long = True

    def __init__(self, seeds: Mapping[str, str], most: float) -> None:
        super().__init__(most)
        self._seeds = dict(seeds)
        self._made: dict[str, str] = {}
        self._words = {id_: words(text) for id_, text in seeds.items()}

    def learn(self, record: Record) -> None:
        """Take in an accepted instruction."""
        if record.question:
            self._made[record.id] = record.question
            self._words[record.id] = words(record.question)

    def asked_of(self, parent: str) -> list[str]:  # noqa: ARG002 - all are of one family
        """Nothing: nobody is told of the others."""
        return []

    def most_similar(self, parent: str, text: str) -> Match | None:  # noqa: ARG002
        """The instruction of the pool that has most in common with a question."""
        if self.most > 1 or not self._words:
            return None
        found = words(text)
        shares = {id_: word_rouge_l(found, other) for id_, other in self._words.items()}
        best = max(shares, key=shares.__getitem__)
        return Match(best, (self._seeds | self._made)[best], shares[best])

    def draw(self, rng: random.Random, *, seeds: int, made: int) -> Sequence[tuple[str, str]]:
        """So many seeds and so many made ones, with their ids; seeds fill up what is missing."""
        own = rng.sample(sorted(self._made), min(made, len(self._made)))
        count = min(seeds + made - len(own), len(self._seeds))
        chosen = [*rng.sample(sorted(self._seeds), count), *own]
        rng.shuffle(chosen)
        return [(id_, (self._seeds | self._made)[id_]) for id_ in chosen]

    def draw_one(self, rng: random.Random) -> tuple[str, str]:
        """Any one of seeds and made ones, with its id."""
        everything = self._seeds | self._made
        id_ = rng.choice(sorted(everything))
        return id_, everything[id_]


class DocumentPool(NoLikeness):
    """Self-Instruct's filter for documents: the real ones that are shown, and the corpus.

    Args:
        exemplars: Real documents by id.
        most: ROUGE-L from which on two documents count as the same.
    """

    takes_long = True

    def __init__(self, exemplars: Mapping[str, str], most: float) -> None:
        self.most = most
        self._words = {id_: words(text) for id_, text in exemplars.items()}

    def learn(self, record: Record) -> None:
        """Take in an accepted document."""
        self._words[record.id] = words(record.body)

    def most_similar(self, parent: str, text: str) -> Match | None:  # noqa: ARG002 - one family
        """The document of the pool that has most in common with a text."""
        found = words(text)
        best, share = "", 0.0
        for id_, other in self._words.items():
            if _upper_bound(found, other) > share and (own := word_rouge_l(found, other)) > share:
                best, share = id_, own
        return Match(best, " ".join(self._words[best][:40]), share) if best else None

    def repeated(self, parent: str, text: str) -> str:
        """Which document of the pool a text is too much like."""
        match = self.most_similar(parent, text)
        if match is None or match.share < self.most:
            return ""
        return f"ROUGE-L {match.share:.2f} to {match.id} (below {self.most:g} is asked)"


def _upper_bound(first: Sequence[str], second: Sequence[str]) -> float:
    """What ROUGE-L cannot exceed, by the lengths alone."""
    return 2 * min(len(first), len(second)) / max(1, len(first) + len(second))
