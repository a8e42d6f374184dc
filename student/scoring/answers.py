"""Criteria of the student's own answer that others judge: code, a model, a chat model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from metasynth.student.rows import BadRowError, StudentRow

from .criterion import Value
from .judging import AskJudge
from .measures import Measure, Scored, ScoringTask, unscored
from .own_answers import OwnAnswer, Question, decoder_of

JUDGES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class AnsweredRow:
    """A row and what the student replied to it."""

    row: StudentRow
    own: OwnAnswer

    @property
    def detail(self) -> dict[str, float]:
        """Whether the answer came to an end by itself."""
        return {"ended": float(self.own.ended)}


class AnswersMeasure(Measure[Question]):
    """Decodes the student's own answers; a subclass says in `values` what they are worth."""

    def __init__(self, task: ScoringTask) -> None:
        super().__init__(task)
        self._decoder = decoder_of(task.lm, task.config, task.seed)

    def values(self, answered: Sequence[AnsweredRow]) -> Sequence[float | str]:
        """The criterion's value of each answer, or why there is none; runs in a thread."""
        raise NotImplementedError

    def prepare(self, row: StudentRow) -> Question:
        """The row's question."""
        return Question(row.id, self.task.renderer.prompt_ids(row))

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Question]) -> list[Scored]:
        """Decode, then judge."""
        answers = self._decoder.answers(prepared)
        answered = [AnsweredRow(row, own) for row, own in zip(rows, answers, strict=True)]
        return [
            unscored(each.row, value, each.detail, answer=each.own.text)
            if isinstance(value, str)
            else self.task.scored(each.row, value, each.detail, answer=each.own.text)
            for each, value in zip(answered, self.values(answered), strict=True)
        ]

    def close(self) -> None:
        """Release the model."""
        self._decoder.close()


class JudgedAnswers(AnswersMeasure):
    """Asks a chat model about each answer, some at a time; a subclass says how in `judgement`."""

    def __init__(self, task: ScoringTask) -> None:
        super().__init__(task)
        assert task.judge is not None
        self.ask: AskJudge = task.judge

    async def judgement(self, row: StudentRow, answer: str) -> Value:
        """The criterion's value.

        Raises:
            BadRowError: The judge's reply holds none.
        """
        raise NotImplementedError

    def values(self, answered: Sequence[AnsweredRow]) -> Sequence[float | str]:
        """None yet: the judge is asked in `finish`."""
        return ["" for _ in answered]

    async def finish(self, rows: Sequence[StudentRow], measured: list[Scored]) -> list[Scored]:
        """The judgements of the rows that have an answer."""
        places = asyncio.Semaphore(JUDGES_AT_ONCE)

        async def judged(row: StudentRow, scored: Scored) -> Scored:
            if scored.answer is None:
                return scored
            async with places:
                try:
                    value, detail = await self.judgement(row, scored.answer)
                except BadRowError as error:
                    return unscored(row, error, scored.detail, answer=scored.answer)
            return self.task.scored(row, value, {**scored.detail, **detail}, answer=scored.answer)

        try:
            async with asyncio.TaskGroup() as group:
                pairs = zip(rows, measured, strict=True)
                tasks = [group.create_task(judged(row, scored)) for row, scored in pairs]
        except BaseExceptionGroup as failed:  # the first is reported; the others were cancelled
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]
