"""BAIT: the rows whose Fisher information best stands for the pool's (Ash et al., NeurIPS 2021).

It minimises tr(M⁻¹ F), F the pool's mean Fisher information of the output layer and M that of what
is chosen: greedily forward to twice the number, then backward to the number, with Woodbury's
identity, λ = 1, as in the released code (JordanAsh/badge). There a Fisher matrix has classes x
width rows. A language model has too many of both, so here it is the block of the tokens that
matter most in the pool, on the main directions of the hidden states.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.allowance import Allowance
from metasynth.student.selection.gradients import GradientEmbeddings
from metasynth.student.selection.strategy import SelectionTask, strategy

Floats = NDArray[np.float64]


@strategy(needs="gradients")
def choose(task: SelectionTask) -> list[int]:
    """See `choose_bait`."""
    return choose_bait(task.gradients, task.count, task.allowance, taken=task.taken_gradients)


@dataclass(frozen=True, eq=False)
class FisherBasis:
    """The part of the output layer that Fisher information is taken of.

    Attributes:
        tokens: [M], ascending.
        directions: Orthonormal, [d, r].
    """

    tokens: NDArray[np.int64]
    directions: Floats

    @classmethod
    def of(cls, gradients: GradientEmbeddings, *, tokens: int, width: int) -> "FisherBasis":
        """The `tokens` with most Fisher information in the pool, and `width` directions of h.

        A token's is Σ p (1 - p) |h|² over all places; the directions are those in which the hidden
        states are longest on average (not centred, because gradients are not).
        """
        p, h = gradients.probabilities.astype(np.float64), gradients.h.astype(np.float64)
        matter = p * (1 - p) * (h**2).sum(1)[:, None]
        known, where = np.unique(gradients.token_ids, return_inverse=True)
        mass = np.bincount(where.ravel(), weights=matter.ravel(), minlength=len(known))
        kept = np.argsort(-mass, kind="stable")[:tokens]
        _, vectors = np.linalg.eigh(h.T @ h)  # ascending
        return cls(np.sort(known[kept]).astype(np.int64), vectors[:, ::-1][:, :width].copy())

    @property
    def size(self) -> int:
        """M r: rows of a Fisher matrix."""
        return len(self.tokens) * int(self.directions.shape[1])


def fisher_factors(gradients: GradientEmbeddings, basis: FisherBasis, *, rank: int = 16) -> Floats:
    """X [N, R, M r] with XᵀX the Fisher information of each row, the mean over its places.

    For one place it is (diag(p) - p pᵀ) ⊗ h hᵀ, the exact block of the full matrix, since what is
    not among the tokens counts as one more outcome. Where the places of a row give more than
    `rank` factors, the best approximation of that rank stands for them.
    """
    p = _probabilities(gradients, basis.tokens)
    rest = np.sqrt(np.maximum(1 - p.sum(1), 0.0))
    outcomes = np.sqrt(p)[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])  # [P, M, M]
    other = -rest[:, None, None] * p[:, None, :]  # [P, 1, M]
    left = np.concatenate([outcomes, other], 1)
    h = gradients.h.astype(np.float64) @ basis.directions
    counts = np.diff(gradients.starts)
    if (counts == 1).all():
        alone = np.einsum("pcm,pr->pcmr", left, h)
        return np.asarray(alone.reshape(len(p), len(basis.tokens) + 1, -1))
    factors = np.zeros((len(gradients), rank, basis.size))
    for row, (first, end) in enumerate(zip(gradients.starts, gradients.starts[1:], strict=False)):
        every = np.einsum("pcm,pr->pcmr", left[first:end], h[first:end]).reshape(-1, basis.size)
        _, lengths, directions = np.linalg.svd(every / np.sqrt(end - first), full_matrices=False)
        kept = min(rank, len(lengths))
        factors[row, :kept] = lengths[:kept, None] * directions[:kept]
    return factors


def _probabilities(gradients: GradientEmbeddings, tokens: NDArray[np.int64]) -> Floats:
    """p of each place and token [P, M]; 0 where the token was not kept."""
    p = np.zeros((len(gradients.q), len(tokens)))
    column = np.searchsorted(tokens, gradients.token_ids).clip(max=len(tokens) - 1)
    place, kept = np.nonzero(tokens[column] == gradients.token_ids)
    np.add.at(p, (place, column[place, kept]), gradients.probabilities[place, kept])
    return p


class FisherObjective:
    """tr(M⁻¹ F), and what a row would change in it; M begins at λI + Σ Fisher(labelled).

    Args:
        factors: X of the pool, [N, R, D].
        labelled: X of what the student has learnt from, [K, R', D].
        regularisation: λ.
    """

    def __init__(
        self, factors: Floats, *, labelled: Floats | None = None, regularisation: float = 1.0
    ) -> None:
        size = factors.shape[-1]
        flat = factors.reshape(-1, size)
        start = regularisation * np.eye(size)
        if labelled is not None:
            learnt = labelled.reshape(-1, size)
            start += learnt.T @ learnt
        self._factors = factors
        self.fisher: Floats = flat.T @ flat / max(len(factors), 1)
        self.inverse: Floats = np.asarray(np.linalg.inv(start), dtype=np.float64)

    @property
    def value(self) -> float:
        """tr(M⁻¹ F), which is to be small."""
        return float((self.inverse * self.fisher).sum())

    def gains(self, rows: NDArray[np.intp]) -> Floats:
        """How much the value falls when each of `rows` alone is added."""
        inner, outer = self._products(rows)
        return _traces(np.eye(inner.shape[-1]) + inner, outer)

    def costs(self, rows: NDArray[np.intp]) -> Floats:
        """How much the value rises when each of `rows`, which were added, alone is removed."""
        inner, outer = self._products(rows)
        return _traces(np.eye(inner.shape[-1]) - inner, outer)

    def add(self, row: int) -> None:
        """Add the Fisher information of `row` to M, by Woodbury's identity."""
        self._update(self._factors[row], sign=1.0)

    def remove(self, row: int) -> None:
        """Take it away again."""
        self._update(self._factors[row], sign=-1.0)

    def _update(self, x: Floats, *, sign: float) -> None:
        moved = self.inverse @ x.T  # [D, R]
        middle = np.eye(len(x)) + sign * x @ moved
        self.inverse = self.inverse - sign * moved @ np.linalg.solve(middle, moved.T)
        self.inverse = (self.inverse + self.inverse.T) / 2  # rounding must not pile up

    def _products(self, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """X M⁻¹ Xᵀ and X M⁻¹ F M⁻¹ Xᵀ of each row, [rows, R, R]."""
        x = self._factors[rows]
        turned = x.swapaxes(1, 2)
        middle = self.inverse @ self.fisher @ self.inverse
        return x @ self.inverse @ turned, x @ middle @ turned


def _traces(inner: Floats, outer: Floats) -> Floats:
    """tr(inner⁻¹ outer) of each [R, R]."""
    return np.asarray(np.trace(np.linalg.solve(inner, outer), axis1=1, axis2=2))


def choose_bait(
    gradients: GradientEmbeddings,
    n: int,
    allowance: Allowance,
    *,
    taken: GradientEmbeddings | None = None,
    tokens: int = 8,
    width: int = 8,
    regularisation: float = 1.0,
) -> list[int]:
    """`n` rows by forward greedy choice to 2n and backward pruning, in the order of their choice.

    Equal gains are decided by the order of the rows. Each of the 3n steps looks at all open rows:
    N (tokens + 1) (tokens * width)² multiplications, minutes for a hundred rows out of 10,000, so
    a large pool should be thinned out by another criterion before.

    Args:
        gradients: Of the pool, in factors, with respect to the likeliest token or the answer's.
        n: How many; the allowance must have room for them.
        allowance: Which rows are open; the chosen ones are taken from it.
        taken: Of what the student has been trained on.
        tokens: Tokens of the vocabulary that take part.
        width: Directions of the hidden states that take part.
        regularisation: λ.
    """
    basis = FisherBasis.of(gradients, tokens=tokens, width=width)
    objective = FisherObjective(
        fisher_factors(gradients, basis),
        labelled=None if taken is None else fisher_factors(taken, basis),
        regularisation=regularisation,
    )
    chosen = forward(objective, 2 * n, allowance.copy())
    kept = backward(objective, chosen, n)
    return allowance.take_open(kept, n)


def forward(objective: FisherObjective, n: int, allowance: Allowance) -> list[int]:
    """Add the best row `n` times, or as often as the allowance lets."""
    chosen: list[int] = []
    while len(chosen) < min(n, len(chosen) + allowance.capacity):
        rows = np.flatnonzero(allowance.open)
        best = int(rows[objective.gains(rows).argmax()])
        allowance.take(best)
        objective.add(best)
        chosen.append(best)
    return chosen


def backward(objective: FisherObjective, chosen: list[int], n: int) -> list[int]:
    """Remove the row that costs least until `n` are left."""
    kept = list(chosen)
    while len(kept) > n:
        row = kept[int(objective.costs(np.array(kept)).argmin())]
        objective.remove(row)
        kept.remove(row)
    return kept
