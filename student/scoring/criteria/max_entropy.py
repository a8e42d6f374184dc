"""The greatest entropy of a next-token distribution along the student's own answer."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import BHATT, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "max_j Σ_v -p_jv log p_jv along ŷ",
    hard="high",
    needs="own answer",
    statistics="entropy",
    source=BHATT,
)
def max_entropy(entropies: "Tensor") -> float:
    """The greatest."""
    return float(entropies.max())
