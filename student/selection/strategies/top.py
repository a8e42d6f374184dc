"""The rows with the highest scores."""

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.ranking import descending
from metasynth.student.selection.strategy import SelectionTask, strategy

Floats = NDArray[np.float64]


@strategy(needs="scores")
def choose(task: SelectionTask) -> list[int]:
    """See `choose_top`."""
    return choose_top(task.scores, task.count, task.allowance)


def choose_top(keys: Floats, n: int, allowance: Allowance) -> list[int]:
    """The `n` rows with the highest keys, equal ones in their order."""
    return allowance.take_open(descending(keys).tolist(), n)
