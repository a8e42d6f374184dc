"""The student's mean loss on its own answer, the end included."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import KESSLER, Value, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "-(1/T) Σ_j log p_j(ŷ_j)",
    hard="high",
    needs="own answer",
    statistics="loss",
    source=KESSLER,
    on_texts=False,
)
def loss_self(loss: "Tensor") -> Value:
    """A text alone has no own answer."""
    return Value(float(loss.mean()), {"sum": float(loss.sum())})
