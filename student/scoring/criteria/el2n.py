"""EL2N: how far the distributions are from the tokens of the given answer."""

from typing import TYPE_CHECKING

from metasynth.student.scoring.criterion import criterion

if TYPE_CHECKING:
    from torch import Tensor


@criterion(
    "mean_j ||p_j - onehot(y_j)||₂, from 0 to √2",
    hard="high",
    needs="answer",
    statistics="error_norm",
    source="Paul et al. 2021 (data_diet), who average ten runs",
)
def el2n(norms: "Tensor") -> float:
    """The mean."""
    return float(norms.mean())
