"""The student's mean loss on the given answer, the end included."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import KESSLER, Value, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "-(1/T) Σ_j log p_j(y_j)",
    hard="high",
    needs="answer",
    statistics="loss",
    source=KESSLER,
)
def loss_gold(loss: "Tensor") -> Value:
    """The mean, with the sum."""
    return Value(float(loss.mean()), {"sum": float(loss.sum())})
