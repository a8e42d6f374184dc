"""BADGE: k-means++ sampling of gradient embeddings (Ash et al., ICLR 2020, arXiv 1906.03671).

The released code (JordanAsh/badge) forms every gradient, V x d numbers a row, and passes over the
pool for each choice. Here distances come from the factors, and a pass serves many choices: a row
is drawn by its distance at the last pass and accepted with the share that is left of it, which is
exactly a draw by its distance now, because distances can only shrink.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from .allowance import Allowance
from .gradients import GradientEmbeddings

Floats = NDArray[np.float64]

_BLOCK = 8192  # places of rows that are widened to float64 at a time
_SAME = 1e-12  # of the squared norms: below, two gradients are the same


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


def squared_norms(gradients: GradientEmbeddings) -> Floats:
    """||G||² of each row [N] in float64."""
    q, h = gradients.q, gradients.h
    if len(q) == len(gradients):
        of_q, of_h = (np.einsum("ij,ij->i", one, one, dtype=np.float64) for one in (q, h))
        return np.asarray(of_q * of_h)
    alone = (gradients.take([row]) for row in range(len(gradients)))
    return np.array([inner_products(one, one)[0, 0] for one in alone])


def squared_distances(
    rows: GradientEmbeddings, centres: GradientEmbeddings, row_norms: Floats, norms: Floats
) -> Floats:
    """||G_a - G_b||² of rows and centres, [N, C]; exactly zero where two gradients are the same."""
    sums = row_norms[:, None] + norms
    distance = sums - 2 * inner_products(rows, centres)
    distance[distance <= _SAME * sums] = 0.0
    return distance


def inner_products(rows: GradientEmbeddings, centres: GradientEmbeddings) -> Floats:
    """⟨G_a, G_b⟩ = (1 / T_a T_b) Σ_ij (q_ai · q_bj)(h_ai · h_bj), [N, C], in float64."""
    size = 1 + max(int(one.token_ids.max()) for one in (rows, centres))
    tokens = np.unique(centres.token_ids)
    column = np.full(size, len(tokens))  # tokens that no centre has share one, of zeros there
    column[tokens] = np.arange(len(tokens))
    of_q = _sparse(centres, column, len(tokens) + 1).T.toarray()  # [tokens, places of centres]
    of_h = centres.h.astype(np.float64).T
    products = np.empty((len(rows), len(centres)))
    for part in _blocks(rows):
        block = rows.take(part)
        both = (_sparse(block, column, len(tokens) + 1) @ of_q) * (
            block.h.astype(np.float64) @ of_h
        )
        sums = np.add.reduceat(both, block.starts[:-1], axis=0)
        products[part] = np.add.reduceat(sums, centres.starts[:-1], axis=1)
    counts = np.diff(rows.starts)[:, None] * np.diff(centres.starts)
    return np.asarray(products / counts)


def _sparse(gradients: GradientEmbeddings, column: NDArray[np.intp], width: int) -> csr_matrix:
    """q as a sparse matrix [places, width], each token in its column; doubles add up."""
    places, kept = gradients.q.shape
    columns = column[gradients.token_ids]
    values = gradients.q.astype(np.float64).ravel()
    starts = np.arange(places + 1) * kept
    return csr_matrix((values, columns.ravel(), starts), shape=(places, width))


def _blocks(rows: GradientEmbeddings) -> Iterator[NDArray[np.int64]]:
    """Row numbers in parts of at most 8192 places, or of one row."""
    first = 0
    while first < len(rows):
        end = int(np.searchsorted(rows.starts, rows.starts[first] + _BLOCK, side="right")) - 1
        end = max(end, first + 1)
        yield np.arange(first, end)
        first = end


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
