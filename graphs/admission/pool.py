"""The pool of instructions that a baseline draws from and compares with: seeds and what got in."""

import random
from collections.abc import Mapping, Sequence

from metasynth.records.record import Record
from metasynth.text.rouge import word_rouge_l
from metasynth.text.words import words

from .siblings import Likeness, Siblings


class Pool(Siblings):
    """Siblings of which all are of one family: an instruction is compared with every other.

    Args:
        seeds: The instructions that the run starts from, by id.
        most: ROUGE-L from which on two count as the same; above 1 they never do.
    """

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

    def likest(self, parent: str, question: str) -> Likeness | None:  # noqa: ARG002
        """The instruction of the pool that has most in common with a question."""
        if self.most > 1 or not self._words:
            return None
        found = words(question)
        shares = {id_: word_rouge_l(found, other) for id_, other in self._words.items()}
        best = max(shares, key=shares.__getitem__)
        return Likeness(best, (self._seeds | self._made)[best], shares[best])

    def draw(self, rng: random.Random, *, seeds: int, made: int) -> Sequence[tuple[str, str]]:
        """So many seeds and so many made ones, with their ids; seeds fill up what is missing."""
        own = rng.sample(sorted(self._made), min(made, len(self._made)))
        count = min(seeds + made - len(own), len(self._seeds))
        chosen = [*rng.sample(sorted(self._seeds), count), *own]
        rng.shuffle(chosen)
        return [(id_, (self._seeds | self._made)[id_]) for id_ in chosen]

    def one(self, rng: random.Random) -> tuple[str, str]:
        """Any one of seeds and made ones."""
        everything = self._seeds | self._made
        id_ = rng.choice(sorted(everything))
        return id_, everything[id_]
