"""The covariance of few points in many dimensions: shrunk, and not formed where it is large."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShrunkCovariance:
    """Σ = (1 - δ) S + δ μ I with S = XᵀX / n and μ = tr(S) / d (Ledoit & Wolf 2004).

    Attributes:
        rows: X [n, d], centred.
        shrinkage: δ, from 0 to 1.
    """

    rows: Floats
    shrinkage: float

    @classmethod
    def of(cls, rows: Floats) -> "ShrunkCovariance":
        """Of centred rows [n, d], with the shrinkage that Ledoit and Wolf found best."""
        if rows.shape[1] == 1 or not rows.any():
            return cls(rows, 0.0)
        from sklearn.covariance import ledoit_wolf_shrinkage  # type: ignore[import-untyped]

        return cls(rows, float(ledoit_wolf_shrinkage(rows, assume_centered=True)))

    @cached_property
    def scale(self) -> float:
        """μ: the mean variance of a coordinate."""
        return float((self.rows**2).mean())

    def times(self, vectors: Floats) -> Floats:
        """Σ v of each of `vectors` [N, d]."""
        size, width = self.rows.shape
        if width <= size:
            sample = vectors @ self._sample
        else:
            sample = (vectors @ self.rows.T) @ self.rows / size
        return (1 - self.shrinkage) * sample + self.shrinkage * self.scale * vectors

    @cached_property
    def _sample(self) -> Floats:
        return np.asarray(self.rows.T @ self.rows / len(self.rows))

    def sample(self, count: int, *, rng: np.random.Generator) -> Floats:
        """`count` draws [count, d] from the normal distribution with mean 0 and covariance Σ."""
        size, width = self.rows.shape
        own = rng.normal(size=(count, size)) @ self.rows * np.sqrt((1 - self.shrinkage) / size)
        round_part = np.sqrt(self.shrinkage * self.scale) * rng.normal(size=(count, width))
        return np.asarray(own + round_part)


def within_clusters(z: Floats, clusters: NDArray[np.integer[Any]]) -> Floats:
    """Rows [N, d] less the mean of their cluster."""
    _, labels, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), z.shape[1]))
    np.add.at(sums, labels, z)
    return np.asarray(z - (sums / counts[:, None])[labels])
