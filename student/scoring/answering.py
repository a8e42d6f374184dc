"""The criteria of the student's own answer: it is decoded first, then looked at.

A row that is a text alone has no prompt to answer. Uncertainty (entropy, margins, confidence) is
then taken along the text itself; the other criteria name it as a row without a prompt.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from metasynth.lm.batches import Encoded
from metasynth.student.rows import StudentRow

from .checking import Checker
from .measures import Bench, Measure, Scored, unscored
from .own_answers import AnswerDecoder, OwnAnswer, Question
from .reward import RewardModel
from .token_statistics import with_likeliest_end


class OwnAnswerMeasure(Measure[Question | Encoded]):
    """`loss_self` and the uncertainties: along the student's own answer."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._decoder = _decoder(bench)

    def prepare(self, row: StudentRow) -> Question | Encoded:
        """A question; a text as it is, but where its own loss is asked for."""
        if row.text is not None and self.bench.config.criterion != "loss_self":
            return self.bench.renderer.encode(row)
        return Question(row.id, self.bench.renderer.prompt_ids(row))

    def measure(
        self, rows: Sequence[StudentRow], prepared: Sequence[Question | Encoded]
    ) -> list[Scored]:
        """Decode what is a question, then look at all of it in one forward pass."""
        questions = [one for one in prepared if isinstance(one, Question)]
        said = iter(self._decoder.answers(questions))
        answers = [next(said) if isinstance(one, Question) else None for one in prepared]
        encoded = list(self._encoded(prepared, answers))
        ends = self.bench.lm.end_token_ids
        found = self.bench.folded(encoded, adapt=partial(with_likeliest_end, end_ids=ends))
        return [
            self._scored(row, answer, one)
            for row, answer, one in zip(rows, answers, found, strict=True)
        ]

    def close(self) -> None:
        """Let go of the model."""
        self._decoder.close()

    def _encoded(
        self, prepared: Sequence[Question | Encoded], answers: Sequence[OwnAnswer | None]
    ) -> Iterator[Encoded]:
        end = self.bench.renderer.end_id
        for one, answer in zip(prepared, answers, strict=True):
            if isinstance(one, Encoded):
                yield one
            else:
                assert answer is not None
                yield answer.after(one.prompt_ids, end)

    def _scored(self, row: StudentRow, own: OwnAnswer | None, one: dict[str, float]) -> Scored:
        value = one.pop("value")
        if own is None:
            return self.bench.scored(row, value, one)
        detail = {**one, "ended": float(own.ended)}
        return self.bench.scored(row, value, detail, answer=own.text)


class AnswersMeasure(Measure[Question]):
    """What the student says, for others to judge; by itself it scores nothing."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._decoder = _decoder(bench)

    def prepare(self, row: StudentRow) -> Question:
        """The row's question."""
        return Question(row.id, self.bench.renderer.prompt_ids(row))

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Question]) -> list[Scored]:
        """What is made of the answers."""
        answers = self._decoder.answers(prepared)
        return self.judged([_Answered(*pair) for pair in zip(rows, answers, strict=True)])

    def judged(self, answered: Sequence["_Answered"]) -> list[Scored]:
        """The rows with their answers."""
        return [one.unscored("") for one in answered]

    def close(self) -> None:
        """Let go of the model."""
        self._decoder.close()


class WrongMeasure(AnswersMeasure):
    """`wrong`: what a checker says of the student's own answer."""

    def __init__(self, bench: Bench, checker: Checker) -> None:
        super().__init__(bench)
        self._checker = checker

    def judged(self, answered: Sequence["_Answered"]) -> list[Scored]:
        """1 for a wrong answer, 0 for a right one."""
        return [self._checked(one) for one in answered]

    def _checked(self, one: "_Answered") -> Scored:
        found = self._checker(one.row, one.own.text)
        if found.passed is None:
            return one.unscored(f"not checkable: {found.detail or 'the checker makes no claim'}")
        return one.scored(self.bench, float(not found.passed))


class RewardMeasure(AnswersMeasure):
    """`reward`: what a reward model gives the student's own answer."""

    def __init__(self, bench: Bench, reward: RewardModel) -> None:
        super().__init__(bench)
        self._reward = reward

    def judged(self, answered: Sequence["_Answered"]) -> list[Scored]:
        """The rewards; a low one is hard."""
        rewards = self._reward.rewards([(one.row, one.own.text) for one in answered])
        return [
            one.unscored(found) if isinstance(found, str) else one.scored(self.bench, found)
            for one, found in zip(answered, rewards, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Answered:
    """A row and what the student said to it."""

    row: StudentRow
    own: OwnAnswer

    def scored(self, bench: Bench, value: float) -> Scored:
        detail = {"ended": float(self.own.ended)}
        return bench.scored(self.row, value, detail, answer=self.own.text)

    def unscored(self, reason: str) -> Scored:
        detail = {"ended": float(self.own.ended)}
        return unscored(self.row, reason, detail, answer=self.own.text)


def _decoder(bench: Bench) -> AnswerDecoder:
    config = bench.config
    return AnswerDecoder(
        bench.lm,
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        seed=bench.seed,
    )
