"""What a checker says of the student's own answer."""

from collections.abc import Sequence

from metasynth.student.scoring.answers import AnsweredRow, AnswersMeasure
from metasynth.student.scoring.criterion import criterion


@criterion(
    "1 if the checker finds ŷ wrong, 0 if right",
    hard="high",
    needs=("own answer", "checker"),
    cost="a decode",
    source="LLM2LLM, Lee et al. 2024, SqueezeAILab/LLM2LLM",
)
class Wrong(AnswersMeasure):
    """Where the checker makes no claim there is no score."""

    def values(self, answered: Sequence[AnsweredRow]) -> list[float | str]:
        """1 for a wrong answer, 0 for a right one."""
        return [self._value(each) for each in answered]

    def _value(self, answered: AnsweredRow) -> float | str:
        assert self.task.checker is not None
        result = self.task.checker(answered.row, answered.own.text)
        if result.passed is None:
            return f"not checkable: {result.detail or 'the checker makes no claim'}"
        return float(not result.passed)
