"""Instruction-following difficulty: the answer's loss given the prompt over its loss alone."""

from collections.abc import Sequence

from metasynth.lm.batches import Encoded
from metasynth.student.rows import StudentRow
from metasynth.student.scoring.criterion import criterion
from metasynth.student.scoring.measures import Measure, Scored, unscored

Pair = tuple[Encoded, Encoded]


@criterion(
    "mean NLL(y | x) / mean NLL(y); above 1 no score: the prompt does not help",
    hard="high",
    needs=("answer", "prompt"),
    cost="two forward passes",
    source="Li et al., Cherry_LLM: the ratio of mean losses, not of perplexities",
)
class Ifd(Measure[Pair]):
    """Both sequences of all rows share their forward passes."""

    def prepare(self, row: StudentRow) -> Pair:
        """The answer behind its prompt, and alone, over the same tokens."""
        return self.task.renderer.encode_with_and_without(row)

    def measure(self, rows: Sequence[StudentRow], prepared: Sequence[Pair]) -> list[Scored]:
        """The ratios."""
        losses = self.task.mean_losses([encoded for pair in prepared for encoded in pair])
        return [
            self._ratio(row, given, alone)
            for row, given, alone in zip(rows, losses[::2], losses[1::2], strict=True)
        ]

    def _ratio(self, row: StudentRow, given: float, alone: float) -> Scored:
        if alone == 0:
            return unscored(row, "the answer alone costs nothing: the ratio has no value")
        ratio = given / alone
        losses = {"loss": given, "loss_alone": alone}
        if ratio > 1:
            reason = f"the prompt does not help: ifd {ratio:.3f} is above 1"
            return unscored(row, reason, {"ifd": ratio, **losses})
        return self.task.scored(row, ratio, losses)
