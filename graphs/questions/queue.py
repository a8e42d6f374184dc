"""The questions that workers take one after the other, and what is done with each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from metasynth.text.contamination import Contamination


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


class Question(NamedTuple):
    """A question that a run may answer and admit.

    Attributes:
        text: The question; where a teacher writes it, the problem that it is shown.
        context_id: The target row, exemplar or seed that it was made from; "" for none.
        request: What a teacher is asked for question and answer; None where the text is it.
        fault: Why it is not worth an answer; "" for nothing.
    """

    text: str
    context_id: str
    request: Request | None = None
    fault: str = ""


def _no_answer(_question: str) -> str | None:
    return None


@dataclass(frozen=True)
class Batch:
    """Questions and what is known of all of them.

    Attributes:
        chain: The chain in the ids of their records.
        source: What made them, as their records name it.
        questions: In the order of their places, which count from 1.
        models: The models that made them, by part.
        answer_prompt: What the teacher is asked for an answer to a question; None where questions
            stay without one.
        contamination: The test set that must stay unseen.
    """

    chain: str
    source: str
    questions: Sequence[Question]
    models: Mapping[str, str]
    answer_prompt: Callable[[str], str | None] = _no_answer
    contamination: "Contamination | None" = None

    def __getitem__(self, place: int) -> Question:
        """The question at a place, from 1 up."""
        return self.questions[place - 1]

    def __len__(self) -> int:
        """How many questions there are."""
        return len(self.questions)

    def contaminated(self, text: str) -> str:
        """What a text shares with the test set; "" for nothing."""
        from metasynth.text.contamination import match_with

        return match_with(self.contamination, text)


class QuestionQueue:
    """Hands out places of the batch in work, in their order; filled anew for each batch."""

    def __init__(self) -> None:
        self._batch: Batch | None = None
        self._places: Iterator[int] = iter(())

    @property
    def batch(self) -> Batch:
        """The batch in work; there is one as soon as workers run."""
        assert self._batch is not None
        return self._batch

    def fill(self, batch: Batch, *, ended: Callable[[int], bool]) -> None:
        """Turn to a batch.

        Args:
            ended: Whether the record of the question at a place has ended; it is not handed out.
        """
        self._batch = batch
        self._places = (place for place in range(1, len(batch) + 1) if not ended(place))

    def next(self) -> int | None:
        """The next place; None when there is none any more."""
        return next(self._places, None)
