"""Exact neighbours among vectors of one process, which grow while they are searched."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BLOCK = 4096  # rows; blocks are never moved, so that a search may go on beside an addition
_ROUNDING = 1e-5  # by so much may a float32 product of unit vectors be wrong
_RESCORED = 256


class VectorIndex:
    """Vectors by their place, 0 to n - 1; a search looks at every one of them.

    One task adds; any thread may search what was there when it began.
    """

    def __init__(self) -> None:
        self._blocks: list[Floats] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: NDArray[np.floating]) -> None:
        """Add rows [n, d], brought to unit length."""
        units = _units(rows).astype(np.float32)
        while len(units):
            place = self._count % _BLOCK
            if place == 0:
                self._blocks.append(np.empty((_BLOCK, units.shape[1]), dtype=np.float32))
            part = units[: _BLOCK - place]
            self._blocks[-1][place : place + len(part)] = part
            self._count += len(part)
            units = units[len(part) :]

    def nearest(
        self, queries: NDArray[np.floating], k: int, *, start: int = 0, end: int | None = None
    ) -> list[list[int]]:
        """The places of the `k` nearest rows of each query [q, d] by cosine, nearest first.

        Rows that are equally near come in the order of their places.

        Args:
            start: The first row that is looked at.
            end: The row before which the search ends; None for all there are.
        """
        end = self._count if end is None else end
        if k < 1 or end <= start:
            return [[] for _ in queries]
        units = _units(queries).astype(np.float32)
        scores = np.concatenate(
            [part @ units.T for part in self._parts(start, end)]
        )  # [rows, queries]
        return [
            [start + place for place in self._best(query, column, k, start)]
            for query, column in zip(queries, scores.T, strict=True)
        ]

    def distances(self, query: NDArray[np.floating], places: list[int]) -> NDArray[np.float64]:
        """Cosine distances, 0 to 2, of a query [d] to the rows at some places, in float64."""
        rows = np.stack([self._blocks[place // _BLOCK][place % _BLOCK] for place in places])
        return np.asarray(np.maximum(0.0, 1.0 - _units(rows) @ _units(query[None])[0]))

    def _parts(self, start: int, end: int) -> list[Floats]:
        return [
            block[max(0, start - first) : max(0, min(_BLOCK, end - first))]
            for first, block in zip(range(0, end, _BLOCK), self._blocks, strict=False)
            if first + _BLOCK > start
        ]

    def _best(self, query: NDArray[np.floating], scores: Floats, k: int, start: int) -> list[int]:
        """Float32 finds those that may be the nearest, float64 says which are."""
        if k >= len(scores):
            near = np.arange(len(scores))
        else:
            least = scores.max() if k == 1 else np.partition(scores, -k)[-k]
            near = np.flatnonzero(scores >= least - _ROUNDING)
            if len(near) > k + _RESCORED:  # as good as the same
                near = near[np.argsort(-scores[near], kind="stable")[: k + _RESCORED]]
                near.sort()
        distances = self.distances(query, [start + int(place) for place in near])
        return [int(place) for place in near[np.argsort(distances, kind="stable")[:k]]]


def _units(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = np.asarray(rows, dtype=np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))
