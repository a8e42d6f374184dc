"""The least distance of the likeliest to the second token along the student's own answer."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import BHATT, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "min_j (p_j's largest - its second) along ŷ",
    hard="low",
    needs="own answer",
    statistics="margin",
    source=BHATT,
)
def min_margin(margins: "Tensor") -> float:
    """The least."""
    return float(margins.min())
