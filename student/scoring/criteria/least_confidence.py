"""How far the likeliest tokens are from certain along the student's own answer."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import UNCERTAINTY_SAMPLING, Value, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "1 - mean_j max_v p_jv along ŷ (detail `sequence`: 1 - Π_j max_v p_jv)",
    hard="high",
    needs="own answer",
    statistics="log_confidence",
    source=UNCERTAINTY_SAMPLING,
)
def least_confidence(logs: "Tensor") -> Value:
    """Of the mean, and of the sequence, through logarithms."""
    import torch

    sequence = float(-torch.expm1(logs.sum()))
    return Value(float(1 - logs.exp().mean()), {"sequence": sequence})
