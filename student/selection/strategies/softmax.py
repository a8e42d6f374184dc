"""Rows drawn by the softmax of their scores."""

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.ranking import gumbel_order, standardised
from metasynth.student.selection.strategy import SelectionTask, strategy

Floats = NDArray[np.float64]


@strategy(needs="scores")
def choose(task: SelectionTask) -> list[int]:
    """See `choose_softmax`."""
    return choose_softmax(
        task.scores,
        task.count,
        task.allowance,
        temperature=task.config.temperature,
        rng=task.rng,
    )


def choose_softmax(
    keys: Floats, n: int, allowance: Allowance, *, temperature: float, rng: np.random.Generator
) -> list[int]:
    """`n` rows drawn without replacement with chances ∝ exp(key / temperature).

    Keys count in units of the pool's standard deviation. As the temperature goes to 0, this
    becomes `choose_top`.
    """
    order = gumbel_order(standardised(keys), temperature=temperature, rng=rng)
    return allowance.take_open(order.tolist(), n)
