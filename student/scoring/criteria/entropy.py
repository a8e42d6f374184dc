"""The mean entropy of the next-token distributions along the student's own answer."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import UNCERTAINTY_SAMPLING, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "mean_j Σ_v -p_jv log p_jv along ŷ",
    hard="high",
    needs="own answer",
    statistics="entropy",
    source=UNCERTAINTY_SAMPLING,
)
def entropy(entropies: "Tensor") -> float:
    """The mean."""
    return float(entropies.mean())
