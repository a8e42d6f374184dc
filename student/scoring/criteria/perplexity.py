"""The student's perplexity on the given answer."""

import math
from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import Value, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "exp(-(1/T) Σ_j log p_j(y_j))",
    hard="high",
    needs="answer",
    statistics="loss",
    source="loss_gold on another scale, the same order",
)
def perplexity(loss: "Tensor") -> Value:
    """Infinite where it is no float; the mean loss stands beside it."""
    mean = float(loss.mean())
    return Value(math.exp(mean) if mean < 700 else math.inf, {"loss": mean})
