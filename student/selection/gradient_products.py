"""Products and distances of gradients that are held in factors, in blocks of bounded memory.

    ⟨G_a, G_b⟩ = (1 / T_a T_b) Σ_ij (q_ai · q_bj) (h_ai · h_bj)

in float64: the differences of near gradients are smaller than what float32 tells apart.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from .gradients import GradientEmbeddings

Floats = NDArray[np.float64]

_BLOCK = 8192  # places of rows that are widened to float64 at a time
_SAME = 1e-10  # of the squared norms: below it two gradients differ by a forward pass's rounding


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
