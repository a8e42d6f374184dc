"""Which topics of a target a corpus reaches, and which it leaves empty.

The target's texts lie in cells: by their topic labels, or by k-means of their vectors, each cell
named by its most telling words. A text of the corpus belongs to the cell whose centre is nearest,
unless it lies further from it than all but a few of the target's own texts do from theirs: then it
is outside. A sample of the target itself leaves cells empty too; how many is told beside.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metasynth.errors import RequestError
from metasynth.text.words import excerpt, words
from metasynth.vectors.cluster import kmeans_labels

from .geometry import Matrix, unit_rows

CELLS = 32
_OUTSIDE = 0.98  # share of the target's texts that lie within the bound
_NAME_WORDS = 3
_EXAMPLE_WORDS = 12


@dataclass(frozen=True)
class Cell:
    """A topic of the target.

    Attributes:
        name: Its label, or the words that tell it from the others.
        target: Texts of the target in it.
        corpus: Texts of the corpus in it.
        example: The beginning of the target's text nearest to its centre.
    """

    name: str
    target: int
    corpus: int
    example: str


@dataclass(frozen=True)
class Coverage:
    """How much of a target is reached.

    Attributes:
        share: Of the target's cells with a text of the corpus in them; None where there is none of
            either, and `reason` says so.
        weighted: Share of the target's texts that lie in such cells.
        expected: The share of cells that as many texts drawn from the target would reach.
        outside: Texts of the corpus in no cell.
        n: Texts of the corpus.
        cells: The largest first.
        settings: What decides the cells.
    """

    share: float | None
    weighted: float | None
    expected: float | None
    outside: int
    n: int
    cells: tuple[Cell, ...]
    settings: dict[str, object]
    reason: str = ""

    @property
    def empty(self) -> tuple[Cell, ...]:
        """The cells that the corpus does not reach, the largest first."""
        return tuple(cell for cell in self.cells if not cell.corpus)

    def plain(self) -> dict[str, object]:
        """As what JSON can hold."""
        return {**asdict(self), "empty": [cell.name for cell in self.empty]}


def topic_coverage(
    texts: Sequence[str],
    vectors: ArrayLike,
    *,
    target: Sequence[str],
    target_vectors: ArrayLike,
    target_topics: Sequence[str] | None = None,
    cells: int = CELLS,
    seed: int = 0,
) -> Coverage:
    """Which of the target's topics `texts` reach.

    Args:
        texts: The corpus.
        vectors: Its embeddings, a row a text.
        target: The texts whose topics count, the seed corpus for instance.
        target_vectors: Theirs, by the same model.
        target_topics: Their labels; without them, or where most are blank, cells are clusters.
        cells: How many clusters.
        seed: Of the clustering.

    Raises:
        RequestError: NaN, a zero row, rows of different width, or not a row a text.
    """
    own, other = unit_rows(vectors), unit_rows(target_vectors, what="target vectors")
    for name, rows, given in (("the corpus", own, texts), ("the target", other, target)):
        if len(rows) != len(given):
            raise RequestError(
                f"coverage: {name} has {len(given)} texts, {len(rows)} vectors",
                code="not_one_a_text",
            )
    if not len(own) or not len(other):
        return Coverage(None, None, None, 0, len(own), (), {}, "one side holds no text")
    if own.shape[1] != other.shape[1]:
        raise RequestError(
            f"coverage: vectors of {own.shape[1]} and of {other.shape[1]} numbers",
            hint="embed both with the same model",
            code="other_width",
        )
    partition = _parted(target, other, target_topics, cells, seed)
    similar = own @ partition.centres.T
    reached = similar.argmax(axis=1)[similar.max(axis=1) >= partition.bound]
    counts = np.bincount(reached, minlength=len(partition.names))
    sizes = np.bincount(partition.labels, minlength=len(partition.names))
    shares = sizes / sizes.sum()
    return Coverage(
        share=float((counts > 0).mean()),
        weighted=float(shares[counts > 0].sum()),
        expected=float((1 - (1 - shares) ** len(own)).mean()),
        outside=len(own) - len(reached),
        n=len(own),
        cells=tuple(
            Cell(
                partition.names[cell], int(sizes[cell]), int(counts[cell]), partition.examples[cell]
            )
            for cell in np.argsort(-sizes, kind="stable")
        ),
        settings={
            "cells": partition.made_by,
            "count": len(partition.names),
            "least_similarity": partition.bound,
            "seed": seed,
        },
    )


@dataclass(frozen=True, eq=False)
class _Partition:
    """The target, parted into cells.

    Attributes:
        labels: The cell of each of its texts.
        centres: [cells, d], of length one.
        bound: The similarity to a centre from which on a text is inside.
        made_by: What makes a cell.
    """

    labels: NDArray[np.int64]
    names: Sequence[str]
    centres: Matrix
    bound: float
    examples: Sequence[str]
    made_by: str


def _parted(
    target: Sequence[str], rows: Matrix, topics: Sequence[str] | None, cells: int, seed: int
) -> _Partition:
    known = [" ".join(topic.split()) for topic in topics or ()]
    if len(known) == len(target) and sum(map(bool, known)) > len(known) / 2:
        named_topics = [topic or "(no topic)" for topic in known]
        names, labels = np.unique(named_topics, return_inverse=True)
        named, made_by = names.tolist(), "topic labels"
    else:
        labels = kmeans_labels(rows, cells, seed=seed).labels
        named, made_by = _telling_words(target, labels), "k-means of vectors"
    centres = np.stack([rows[labels == cell].mean(axis=0) for cell in range(len(named))])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    similar = (rows * centres[labels]).sum(axis=1)
    middles = [
        int(np.where(labels == cell, similar, -np.inf).argmax()) for cell in range(len(named))
    ]
    return _Partition(
        labels=labels,
        names=named,
        centres=centres,
        bound=float(np.quantile(similar, 1 - _OUTSIDE)),
        examples=[excerpt(target[middle], _EXAMPLE_WORDS) for middle in middles],
        made_by=made_by,
    )


def _telling_words(texts: Sequence[str], labels: NDArray[np.int64]) -> list[str]:
    """For each cell the words that more of its texts hold than of the others."""
    inside: list[Counter[str]] = [Counter() for _ in range(int(labels.max()) + 1)]
    everywhere: Counter[str] = Counter()
    for text, label in zip(texts, labels, strict=True):
        distinct = {word for word in words(text) if len(word) > 3}
        inside[label].update(distinct)
        everywhere.update(distinct)
    names = []
    for cell, counts in enumerate(inside):
        size = int((labels == cell).sum())
        rest = max(1, len(texts) - size)
        telling = {
            word: count / size - (everywhere[word] - count) / rest for word, count in counts.items()
        }
        best = sorted(telling, key=lambda word: (-telling[word], word))[:_NAME_WORDS]
        names.append(" ".join(best) or f"cell {cell + 1}")
    return names
