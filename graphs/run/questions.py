"""What the graphs know of SoftSRV and its baselines; compose hands the objects in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Check = Callable[[], None]
"""Called again and again by work that takes long; raises where the work must stop."""


class Question(Protocol):
    """A question that a run may answer and admit, with where it came from."""

    @property
    def text(self) -> str: ...
    @property
    def context_id(self) -> str: ...


class Drawn(Question, Protocol):
    """A question just sampled; `stopped` is False where it was cut at the token limit."""

    @property
    def stopped(self) -> bool: ...
    @property
    def tokens(self) -> int: ...


class Request(NamedTuple):
    """What a teacher is asked for one new row, and how its reply is read.

    Attributes:
        prompt: The whole prompt; for the embedded model, which follows none, the seed alone.
        problem_mark: What the problem begins with, where the reply says it.
        solution_mark: What the solution begins with.
        keeps_mark: Whether the mark is part of the solution, as it is of the seed's.
        temperature: Of the call.
    """

    prompt: str
    problem_mark: str
    solution_mark: str
    keeps_mark: bool
    temperature: float


class AnswerSource(Protocol):
    """What is known of questions once they are there: whose they are, and how they are answered."""

    @property
    def method(self) -> str:
        """What its records have as their source."""
        ...

    @property
    def stage(self) -> str:
        """What it is doing now, for whoever watches; "" for nothing."""
        ...

    @property
    def models(self) -> Mapping[str, str]:
        """The models that make questions, by part."""
        ...

    def answer_prompt(self, question: str) -> str | None:
        """What the teacher is asked for an answer; None where questions stay without one."""
        ...

    def contaminated(self, text: str) -> str:
        """What a text shares with the test set that must stay unseen; "" for nothing."""
        ...


class QuestionSource(AnswerSource, Protocol):
    """Gives a run its questions, stage by stage; each stage goes on where an earlier start stopped.

    A stage raises what `check` raises, and `BudgetEndedError` where it may make no call.
    """

    async def prepare(self, check: Check) -> int:
        """Make ready what questions are sampled with; how many contexts or exemplars there are."""
        ...

    async def sample(self, check: Check) -> int:
        """Draw all samples; how many there are."""
        ...

    async def candidates(self, check: Check) -> Sequence[Question]:
        """What post-processing keeps, in an order that is the same on every start."""
        ...

    async def close(self, ended: Mapping[str, Any]) -> None:
        """Keep the counts of the stages that followed, beside those of its own."""
        ...


class DraftSampler(Protocol):
    """What the conductor's tool draws from."""

    @property
    def name(self) -> str:
        """The model, as the ledger knows it."""
        ...

    @property
    def most_samples(self) -> int:
        """Of one call."""
        ...

    @property
    def most_uses(self) -> int:
        """Calls for one record."""
        ...

    @property
    def stage(self) -> str:
        """What it is doing now; "" for nothing."""
        ...

    async def prepare(self, check: Check) -> int:
        """Make it ready, which may take a training; it would be done at the first use."""
        ...

    async def draw(self, near: str, count: int, *, start: int) -> Sequence[Drawn]:
        """`count` samples from the contexts nearest to a text, numbered from `start`.

        Without a text, from contexts in turn. The same arguments give the same samples.
        """
        ...

    def contaminated(self, text: str) -> str:
        """See `AnswerSource.contaminated`."""
        ...


class Numbered(NamedTuple):
    """A question with its place among the candidates, from 1 up, which its record's id has."""

    place: int
    question: Question


class CandidateQueue:
    """Hands out, in their order, the candidates whose records have not ended."""

    def __init__(self, questions: Sequence[Question], *, ended: Callable[[int], bool]) -> None:
        self.count = len(questions)
        self._left = (
            Numbered(place, question)
            for place, question in enumerate(questions, start=1)
            if not ended(place)
        )

    def next(self) -> Numbered | None:
        """The next one; None when there is none any more."""
        return next(self._left, None)
