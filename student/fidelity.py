"""Do scores of parents tell those of their children, set by set and point by point?

Kessler et al. (arXiv 2512.00884, project page) found high rank correlation of the medians of sets
and low correlation of single points. Medians over a few sets correlate easily by chance, hence the
interval and the number of sets beside each value.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metasynth.randomness import derive_seed

from .intervals import Floats, Integers, Interval, bootstrap, spearman

MIN_CHILDREN = 4  # of one parent, for the intraclass correlation
_CORRELATION = (-1.0, 1.0)


class Pair(NamedTuple):
    """A child with its parent.

    Attributes:
        cell: The set that the parent was chosen in, such as "loss_self, round 2".
        parent_id: The parent's id.
        parent_score: Its score when it was chosen.
        child_score: The child's, by the same criterion and the same student.
    """

    cell: str
    parent_id: str
    parent_score: float
    child_score: float


class Cell(NamedTuple):
    """A set of parents with their children."""

    name: str
    parents: int
    children: int
    parent_median: float
    child_median: float


class Fidelity(NamedTuple):
    """How well scores survive generation.

    Attributes:
        by_set: Spearman's correlation of the sets' medians; resampled by set.
        cells: The sets, by name.
        by_point: Spearman's correlation of children with their parents; resampled by parent.
        pairs: Children.
        within: The share of the children's variance that lies between parents, ICC(1), of parents
            with four children or more; resampled by parent.
        families: How many such parents there are.
    """

    by_set: Interval
    cells: tuple[Cell, ...]
    by_point: Interval
    pairs: int
    within: Interval
    families: int

    def __str__(self) -> str:
        return "\n".join(
            (
                f"by set    Spearman {self.by_set} over {len(self.cells)} cells",
                f"by point  Spearman {self.by_point} over {self.pairs} children",
                f"siblings  ICC(1)   {self.within} over {self.families} parents with "
                f"{MIN_CHILDREN} children or more",
            )
        )


def score_fidelity(pairs: Iterable[Pair], *, seed: int) -> Fidelity:
    """The fidelity of scores over all pairs; their order does not matter.

    A parent that was chosen in two sets counts once in each.

    Raises:
        ValueError: A score is not a finite number, or a parent has two scores in one set.
    """
    families = _families(pairs)
    cells = tuple(_cell(name, families) for name in sorted({cell for cell, _ in families}))
    parents = np.array([score for score, _ in families.values()])
    children = [scores for _, scores in families.values()]
    large = [scores for scores in children if len(scores) >= MIN_CHILDREN]
    return Fidelity(
        by_set=_by_set(cells, seed=derive_seed(seed, "fidelity", "sets")),
        cells=cells,
        by_point=_by_point(parents, children, seed=derive_seed(seed, "fidelity", "points")),
        pairs=sum(map(len, children)),
        within=_within(large, seed=derive_seed(seed, "fidelity", "siblings")),
        families=len(large),
    )


def intraclass_correlation(families: Sequence[Floats]) -> float:
    """ICC(1), one-way random effects, of families of two members or more and of unlike sizes.

    NaN with fewer than two families, or where nothing varies.
    """
    return _correlation(*_moments(families))


def _moments(families: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
    """Size, mean and summed squared distances from it, of each family."""
    sizes = np.array([len(one) for one in families], dtype=np.float64)
    means = np.array([one.mean() for one in families])
    return sizes, means, np.array([((one - one.mean()) ** 2).sum() for one in families])


def _correlation(sizes: Floats, means: Floats, squares: Floats) -> float:
    groups, total = len(sizes), float(sizes.sum())
    if groups < 2:
        return float("nan")
    middle = float(sizes @ means) / total
    between = float(sizes @ (means - middle) ** 2) / (groups - 1)
    inside = float(squares.sum()) / (total - groups)
    size = (total - float(sizes @ sizes) / total) / (groups - 1)
    scale = between + (size - 1) * inside
    return (between - inside) / scale if scale > 0 else float("nan")


def _within(families: Sequence[Floats], *, seed: int) -> Interval:
    sizes, means, squares = _moments(families)
    return bootstrap(
        lambda rows: _correlation(sizes[rows], means[rows], squares[rows]),
        len(families),
        seed=seed,
        bounds=_CORRELATION,
    )


def _families(pairs: Iterable[Pair]) -> dict[tuple[str, str], tuple[float, Floats]]:
    """(set, parent) -> the parent's score and its children's, in an order of their own."""
    scores: dict[tuple[str, str], float] = {}
    children: dict[tuple[str, str], list[float]] = {}
    for pair in pairs:
        key = (pair.cell, pair.parent_id)
        if not np.isfinite([pair.parent_score, pair.child_score]).all():
            raise ValueError(f"a score of parent {pair.parent_id!r} or its child is not a number")
        if scores.setdefault(key, pair.parent_score) != pair.parent_score:
            raise ValueError(f"parent {pair.parent_id!r} has two scores in {pair.cell!r}")
        children.setdefault(key, []).append(pair.child_score)
    return {key: (scores[key], np.sort(children[key])) for key in sorted(children)}


def _cell(name: str, families: dict[tuple[str, str], tuple[float, Floats]]) -> Cell:
    own = [family for (cell, _), family in families.items() if cell == name]
    scores = np.array([score for score, _ in own])
    children: NDArray[np.float64] = np.concatenate([some for _, some in own])
    medians = float(np.median(scores)), float(np.median(children))
    return Cell(name, len(own), len(children), *medians)


def _by_set(cells: Sequence[Cell], *, seed: int) -> Interval:
    parents = np.array([cell.parent_median for cell in cells])
    children = np.array([cell.child_median for cell in cells])
    return bootstrap(
        lambda rows: spearman(parents[rows], children[rows]),
        len(cells),
        seed=seed,
        bounds=_CORRELATION,
    )


def _by_point(parents: Floats, children: Sequence[Floats], *, seed: int) -> Interval:
    every = np.concatenate([np.zeros(0), *children])
    sizes = np.array([len(one) for one in children], dtype=np.intp)
    first = np.cumsum(sizes) - sizes

    def statistic(rows: Integers) -> float:
        own = sizes[rows]
        begins = np.cumsum(own) - own
        places = np.arange(own.sum()) + np.repeat(first[rows] - begins, own)
        return spearman(np.repeat(parents[rows], own), every[places])

    return bootstrap(statistic, len(children), seed=seed, bounds=_CORRELATION)
