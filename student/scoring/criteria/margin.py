"""The mean distance of the likeliest to the second token along the student's own answer."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import UNCERTAINTY_SAMPLING, criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "mean_j (p_j's largest - its second) along ŷ",
    hard="low",
    needs="own answer",
    statistics="margin",
    source=UNCERTAINTY_SAMPLING,
)
def margin(margins: "Tensor") -> float:
    """The mean."""
    return float(margins.mean())
