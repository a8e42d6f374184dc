"""Rows that may be chosen and what is known of them, checked and in the order of their ids."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.errors import RequestError

from .gradients import GradientEmbeddings

Floats = NDArray[np.float64]
Points = NDArray[np.floating[Any]]  # [N, d], float32 or float64
Integers = NDArray[np.int64]
Scores = Sequence[float | None] | NDArray[np.floating[Any]]

_NAMED = 3  # rows that an error names


@dataclass(frozen=True, eq=False)
class SelectionPool:
    """Rows that may be chosen; `SelectionPool.of` checks them.

    Attributes:
        ids: Their names, all different, ascending.
        scores: [N], finite.
        embeddings: [N, d], finite.
        gradients: Of N rows.
        seeds_of: The seed that each row came from.
        clusters_of: The cluster of each row, [N], from 0 up.
    """

    ids: tuple[str, ...]
    scores: Floats | None = None
    embeddings: Points | None = None
    gradients: GradientEmbeddings | None = None
    seeds_of: tuple[str, ...] | None = None
    clusters_of: Integers | None = None

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        *,
        scores: Scores | None = None,
        embeddings: Points | None = None,
        gradients: GradientEmbeddings | None = None,
        seeds_of: Sequence[str] | None = None,
        clusters_of: Sequence[int] | None = None,
    ) -> "SelectionPool":
        """The pool in the order of its ids.

        Raises:
            RequestError: An id occurs twice, a row has no score, or an embedding no numbers.
            ValueError: What is given is not of as many rows as there are ids.
        """
        given = {
            "scores": scores,
            "embeddings": embeddings,
            "gradients": gradients,
            "seeds_of": seeds_of,
            "clusters_of": clusters_of,
        }
        for name, values in given.items():
            if values is not None and len(values) != len(ids):
                raise ValueError(f"{name} of {len(values)} rows for a pool of {len(ids)}")
        _require_different(ids)
        pool = cls(
            ids=tuple(ids),
            scores=None if scores is None else _finite_scores(ids, scores),
            embeddings=None if embeddings is None else _finite_embeddings(ids, embeddings),
            gradients=gradients,
            seeds_of=None if seeds_of is None else tuple(seeds_of),
            clusters_of=None if clusters_of is None else np.asarray(clusters_of, dtype=np.int64),
        )
        return pool.take(np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Integers) -> "SelectionPool":
        """Some of the rows, in the order given."""
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            scores=None if self.scores is None else self.scores[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
            gradients=None if self.gradients is None else self.gradients.take(rows),
            seeds_of=None if self.seeds_of is None else tuple(self.seeds_of[row] for row in rows),
            clusters_of=None if self.clusters_of is None else self.clusters_of[rows],
        )


def _require_different(ids: Sequence[str]) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    twice = next(id_ for id_ in ids if id_ in seen or seen.add(id_))  # type: ignore[func-returns-value]
    raise RequestError(
        f"selection: row {twice!r} is in the pool twice",
        hint="drop one of them",
        code="duplicate_id",
    )


def _finite_scores(ids: Sequence[str], scores: Scores) -> Floats:
    values = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
    _require_finite(ids, np.isfinite(values), "no score, or one that is not a number")
    return values


def _finite_embeddings(ids: Sequence[str], embeddings: Points) -> Points:
    values = np.asarray(embeddings)
    if values.ndim != 2 or values.dtype not in (np.float32, np.float64):
        raise ValueError(f"embeddings are [N, d] of floats, not {values.shape} {values.dtype}")
    is_finite = np.logical_and.reduce(np.isfinite(values), axis=1)
    _require_finite(ids, is_finite, "an embedding with what is not a number")
    return values


def _require_finite(ids: Sequence[str], is_finite: NDArray[np.bool_], what: str) -> None:
    bad = sorted(ids[row] for row in np.flatnonzero(~is_finite).tolist())
    if bad:
        named = ", ".join(map(repr, bad[:_NAMED]))
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise RequestError(
            f"selection: {named}{more} of {len(ids)} rows have {what}",
            hint="leave them out of the pool; `metasynth student score` says why they have none",
            code="bad_values",
        )
