"""What a score would be at a context vector z: g(z) ≈ s, by ridge or Gaussian process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metasynth.student.selection.distances import squared_distances

Floats = NDArray[np.float64]
ModelKind = Literal["ridge", "gp"]

_NOISES = np.logspace(-3, 4, 15)  # in units of a row's mean squared length, or of the kernel
_GP_ROWS = 2000  # a Gaussian process takes the cube of its rows


@dataclass(frozen=True, eq=False)
class RidgeScore:
    """Linear in z.

    Attributes:
        mean: Of the rows it was fitted to, [d].
        slope: [d].
        level: The mean score.
    """

    mean: Floats
    slope: Floats
    level: float

    def predict(self, z: Floats) -> Floats:
        """Scores [N] at z [N, d]."""
        return np.asarray((z - self.mean) @ self.slope + self.level)

    def gradient(self, z: Floats) -> Floats:
        """Slopes [N, d] at z [N, d]."""
        return np.broadcast_to(self.slope, z.shape)


@dataclass(frozen=True, eq=False)
class ProcessScore:
    """The mean of a Gaussian process with a squared exponential kernel.

    Attributes:
        rows: What it was fitted to, [M, d].
        weights: [M].
        length: Of the kernel.
        level: The mean score.
    """

    rows: Floats
    weights: Floats
    length: float
    level: float

    def predict(self, z: Floats) -> Floats:
        """Scores [N] at z [N, d]."""
        return np.asarray(self._kernel(z) @ self.weights + self.level)

    def gradient(self, z: Floats) -> Floats:
        """Slopes [N, d] at z [N, d]."""
        pull = self._kernel(z) * self.weights
        return np.asarray((pull @ self.rows - pull.sum(1, keepdims=True) * z) / self.length**2)

    def _kernel(self, z: Floats) -> Floats:
        return _squared_exponential(squared_distances(z, self.rows), self.length)


ScoreModel = RidgeScore | ProcessScore


def fit_score_model(
    z: Floats, scores: Floats, *, kind: ModelKind = "ridge", rng: np.random.Generator
) -> ScoreModel:
    """g fitted to context vectors [N, d] and their scores [N].

    How much is put down to noise is chosen by leave-one-out error. A Gaussian process looks at
    2000 drawn rows at most; its length is the median distance between rows.
    """
    level = float(scores.mean())
    if kind == "ridge":
        mean = z.mean(0)
        return RidgeScore(mean, _ridge_slope(z - mean, scores - level), level)
    rows = np.sort(rng.choice(len(z), min(len(z), _GP_ROWS), replace=False))
    z, scores = z[rows], scores[rows]
    distance = squared_distances(z, z)
    length = float(np.sqrt(np.median(distance[distance > 0]))) if distance.any() else 1.0
    weights = _process_weights(_squared_exponential(distance, length), scores - level)
    return ProcessScore(z, weights, length, level)


def folds(rows: int, count: int, *, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """`rows` rows in `count` random parts of like size."""
    yield from (np.sort(part) for part in np.array_split(rng.permutation(rows), min(count, rows)))


def out_of_fold(
    z: Floats,
    scores: Floats,
    *,
    kind: ModelKind = "ridge",
    count: int = 5,
    rng: np.random.Generator,
) -> Floats:
    """The score [N] that a model which has not seen a row's part gives it."""
    predicted = np.empty(len(z))
    for part in folds(len(z), count, rng=rng):
        rest = np.setdiff1d(np.arange(len(z)), part)
        predicted[part] = fit_score_model(z[rest], scores[rest], kind=kind, rng=rng).predict(
            z[part]
        )
    return predicted


def _ridge_slope(z: Floats, scores: Floats) -> Floats:
    """The slope [d] with the penalty of the least leave-one-out error."""
    left, lengths, right = np.linalg.svd(z, full_matrices=False)
    turned = left.T @ scores
    scale = float(lengths @ lengths) / len(z)
    best, slope = np.inf, np.zeros(z.shape[1])
    for noise in _NOISES * scale if scale > 0 else ():
        kept = lengths**2 / (lengths**2 + noise)
        residual = (scores - left @ (kept * turned)) / (1 - left**2 @ kept)
        if (error := float(residual @ residual)) < best:
            best, slope = error, right.T @ (lengths / (lengths**2 + noise) * turned)
    return slope


def _process_weights(kernel: Floats, scores: Floats) -> Floats:
    """(K + noise)⁻¹ s [M] with the noise of the least leave-one-out error."""
    values, vectors = np.linalg.eigh(kernel)
    turned = vectors.T @ scores
    best, weights = np.inf, np.zeros(len(scores))
    for noise in _NOISES:
        inverse = 1 / (np.maximum(values, 0) + noise)
        own = vectors @ (inverse * turned)
        residual = own / (vectors**2 @ inverse)
        if (error := float(residual @ residual)) < best:
            best, weights = error, own
    return weights


def _squared_exponential(distance: Floats, length: float) -> Floats:
    return np.asarray(np.exp(-distance / (2 * length**2)))
