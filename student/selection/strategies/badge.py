"""BADGE: k-means++ sampling of gradient embeddings (Ash et al., ICLR 2020, arXiv 1906.03671).

The released code (JordanAsh/badge) forms every gradient, V x d numbers a row, and passes over the
pool for each choice. Here distances come from the factors, and a pass serves many choices: a row
is drawn by its distance at the last pass and accepted with the share that is left of it, which is
exactly a draw by its distance now, because distances can only shrink.
"""

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.gradient_products import squared_distances, squared_norms
from metasynth.student.selection.gradients import GradientEmbeddings
from metasynth.student.selection.strategy import SelectionTask, strategy

Floats = NDArray[np.float64]


@strategy(needs="gradients")
def choose(task: SelectionTask) -> list[int]:
    """See `choose_badge`."""
    return choose_badge(
        task.gradients, task.count, task.allowance, rng=task.rng, taken=task.taken_gradients
    )


def choose_badge(
    gradients: GradientEmbeddings,
    n: int,
    allowance: Allowance,
    *,
    rng: np.random.Generator,
    taken: GradientEmbeddings | None = None,
    batch: int = 64,
) -> list[int]:
    """`n` rows: the one with the largest gradient, then D² sampling.

    A row whose gradient equals a chosen one's is not drawn as long as there is another; after
    that, the largest come first.

    Args:
        gradients: Of the pool, in factors.
        n: How many; the allowance must have room for them.
        allowance: Which rows are open; the chosen ones are taken from it.
        rng: Draws.
        taken: Of what was chosen or trained on before: the first row is then drawn, too, by its
            distance to these.
        batch: How many rows are drawn between two passes over the pool; changes the time alone.
    """
    norms = squared_norms(gradients)
    nearest = np.full(len(gradients), np.inf)
    chosen: list[int] = []
    if taken is not None and len(taken):
        _shrink(nearest, gradients, norms, taken, batch)
    elif n:
        chosen = allowance.take_open(np.argsort(-norms, kind="stable").tolist(), 1)
        _shrink(nearest, gradients, norms, gradients.take(chosen), batch)
    while len(chosen) < n:
        weights = np.where(allowance.open, nearest, 0.0)
        if not weights.any():  # only doubles of what is chosen are left
            rest = np.argsort(-norms, kind="stable")
            return chosen + allowance.take_open(rest.tolist(), n - len(chosen))
        drawn = _draw(gradients, norms, weights, min(batch, n - len(chosen)), allowance, rng)
        _shrink(nearest, gradients, norms, gradients.take(drawn), batch)
        chosen += drawn
    return chosen


def _draw(
    gradients: GradientEmbeddings,
    norms: Floats,
    weights: Floats,
    n: int,
    allowance: Allowance,
    rng: np.random.Generator,
) -> list[int]:
    """At least one, at most `n` rows by D²; `weights` [N] are the distances to what came before."""
    cumulative = np.cumsum(weights)
    drawn: list[int] = []
    for _ in range(2 * n):  # where few are accepted, another pass is the quicker way
        row = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        if row == len(weights) or not allowance.is_open(row):
            continue
        left = weights[row]
        if drawn:
            own = gradients.take([row])
            others = gradients.take(drawn)
            left = squared_distances(own, others, norms[[row]], norms[drawn]).min(initial=left)
        if rng.random() * weights[row] < left:
            allowance.take(row)
            drawn.append(row)
        if len(drawn) == n:
            break
    return drawn


def _shrink(
    nearest: Floats,
    rows: GradientEmbeddings,
    norms: Floats,
    centres: GradientEmbeddings,
    batch: int,
) -> None:
    """Bring `nearest` [N], the squared distance to the nearest centre, up to date."""
    for first in range(0, len(centres), batch):
        some = centres.take(np.arange(first, min(first + batch, len(centres))))
        distance = squared_distances(rows, some, norms, squared_norms(some))
        np.minimum(nearest, distance.min(1), out=nearest)
