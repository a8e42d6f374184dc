"""Criteria that are functions: of each token of an answer, or of the row alone."""

from collections.abc import Iterator, Sequence

from metasynth.lm.batches import Encoded
from metasynth.student.rows import StudentRow

from .criterion import Value
from .measures import Measure, Scored, ScoringTask
from .own_answers import OwnAnswer, Question, decoder_of


class RowMeasure(Measure[Value]):
    """A function of the row and the seed."""

    def prepare(self, row: StudentRow) -> Value:
        """The value itself."""
        return _value(self.task.criterion.made_by(row, self.task.seed))

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Value]) -> list[Scored]:
        """The values of the rows."""
        return [self.task.scored(row, *value) for row, value in zip(rows, prepared, strict=True)]


class GivenAnswerTokens(Measure[Encoded]):
    """A function of the tokens of the row's own answer, or of its text."""

    def prepare(self, row: StudentRow) -> Encoded:
        """The row's tokens."""
        return self.task.renderer.encode(row)

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Encoded]) -> list[Scored]:
        """All rows in one forward pass."""
        values = _token_values(self.task, prepared)
        return [self.task.scored(row, *value) for row, value in zip(rows, values, strict=True)]


class OwnAnswerTokens(Measure[Question | Encoded]):
    """A function of the tokens of the student's own answer, or of a text."""

    def __init__(self, task: ScoringTask) -> None:
        super().__init__(task)
        self._decoder = decoder_of(task.lm, task.config, task.seed)

    def prepare(self, row: StudentRow) -> Question | Encoded:
        """A question; a text as it is, where the criterion looks at texts."""
        if row.text is not None and self.task.criterion.on_texts:
            return self.task.renderer.encode(row)
        return Question(row.id, self.task.renderer.prompt_ids(row))

    def measure(
        self, rows: Sequence[StudentRow], prepared: Sequence[Question | Encoded]
    ) -> list[Scored]:
        """Decode what is a question, then look at all of it in one forward pass."""
        replies = iter(self._decoder.answers([q for q in prepared if isinstance(q, Question)]))
        answers = [next(replies) if isinstance(each, Question) else None for each in prepared]
        encoded = list(self._encoded(prepared, answers))
        values = _token_values(self.task, encoded, end_ids=self.task.lm.end_token_ids)
        return [
            self._scored(row, answer, value)
            for row, answer, value in zip(rows, answers, values, strict=True)
        ]

    def close(self) -> None:
        """Release the model."""
        self._decoder.close()

    def _encoded(
        self, prepared: Sequence[Question | Encoded], answers: Sequence[OwnAnswer | None]
    ) -> Iterator[Encoded]:
        end = self.task.renderer.end_id
        for each, answer in zip(prepared, answers, strict=True):
            if isinstance(each, Encoded):
                yield each
            else:
                assert answer is not None
                yield answer.after(each.prompt_ids, end)

    def _scored(self, row: StudentRow, own: OwnAnswer | None, value: Value) -> Scored:
        if own is None:
            return self.task.scored(row, *value)
        detail = {**value.detail, "ended": float(own.ended)}
        return self.task.scored(row, value.value, detail, answer=own.text)


def _token_values(
    task: ScoringTask, encoded: Sequence[Encoded], *, end_ids: frozenset[int] = frozenset()
) -> list[Value]:
    """The criterion's function of each sequence, with the number of its targets."""
    values = []
    for tensors in task.statistics(encoded, end_ids=end_ids):
        value, detail = _value(task.criterion.made_by(*tensors))
        values.append(Value(value, {**detail, "tokens": float(len(tensors[0]))}))
    return values


def _value(returned: float | Value) -> Value:
    return returned if isinstance(returned, Value) else Value(float(returned))
