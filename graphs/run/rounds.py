"""What the graph active knows of its rounds; compose hands the object in.

Rounds of Kessler et al. (arXiv 2512.00884): the student scores the seeds, some are selected, and
only then is a teacher asked for new rows; the student is fine-tuned on them and measured.
"""

from collections.abc import Sequence
from typing import Protocol

from metasynth.graphs.run.questions import AnswerSource, Check, Question, Request
from metasynth.records.record import Record
from metasynth.records.seeds import Seed


class Rounds(AnswerSource, Protocol):
    """The stages of the round in work; each goes on where an earlier start stopped.

    A stage raises what `check` raises, and `BudgetEndedError` where it may make no call.
    """

    @property
    def number(self) -> int:
        """The round in work, from 1 up."""
        ...

    @property
    def chain(self) -> str:
        """The name of its records' chain, such as `r01`."""
        ...

    @property
    def asks(self) -> bool:
        """Whether a teacher is asked for each row; otherwise questions are there already."""
        ...

    @property
    def conducts(self) -> bool:
        """Whether a conductor writes the rows, as in the graph document."""
        ...

    async def open(self) -> bool:
        """Turn to the first round that is not done; False where all are."""
        ...

    async def score_seeds(self, check: Check) -> int:
        """Have the student score the pool; how many rows have a score."""
        ...

    async def select(self, check: Check) -> int:
        """Choose what rows are asked for with; how many seeds or contexts."""
        ...

    async def generate(self, check: Check) -> Sequence[Question]:
        """One question for each row asked for; where a teacher is asked, its seed's."""
        ...

    async def score_children(self, check: Check) -> int:
        """Score what was admitted as its seeds were: by the same student and criterion."""
        ...

    async def fine_tune(self, check: Check) -> int:
        """Train the student; on how many rows."""
        ...

    async def evaluate(self, check: Check) -> int:
        """Measure the student on the test rows; how many there are."""
        ...

    async def finish(self, stopped_because: str) -> None:
        """Write the round down; `stopped_because` says why it was cut short, "" that it was not."""
        ...

    def request(self, place: int) -> Request:
        """What the teacher is asked for row number `place`, from 1 up."""
        ...

    def fault(self, place: int) -> str:
        """Why a question is not worth an answer; "" for nothing."""
        ...

    def chain_of(self, place: int) -> str:
        """The chain of a row that a conductor writes: it has one of its own."""
        ...

    def seed_of(self, chain: str) -> Seed:
        """The seed of a row that a conductor writes."""
        ...

    def of_seed(self, record: Record) -> Record:
        """The record with its lineage: seeds, contexts, and the seed's score."""
        ...
