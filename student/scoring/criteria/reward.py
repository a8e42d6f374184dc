"""What a reward model gives the student's own answer."""

from collections.abc import Sequence

from metasynth.student.scoring.answers import AnsweredRow, AnswersMeasure
from metasynth.student.scoring.criterion import KESSLER, criterion


@criterion(
    "r(x, ŷ)",
    hard="low",
    needs=("own answer", "reward model"),
    cost="a decode and a forward pass of the reward model",
    source=KESSLER,
)
class Reward(AnswersMeasure):
    """All answers share the reward model's forward passes."""

    def values(self, answered: Sequence[AnsweredRow]) -> list[float | str]:
        """The rewards."""
        assert self.task.reward is not None
        return self.task.reward.rewards([(each.row, each.own.text) for each in answered])
