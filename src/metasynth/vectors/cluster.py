"""Texts in clusters, and an even choice among the clusters.

The sub-sampling of SoftSRV (arXiv 2410.16534, section 3 and appendix A.2): TF-IDF, a truncated SVD,
mini-batch k-means, then one random point of each cluster per pass. The paper names no other
setting, so scikit-learn's defaults hold. Everything here computes on one thread, because the order
in which threads add up changes the last digits, and with them who lands in which cluster.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Labels = NDArray[np.int64]

_THREADS = threading.RLock()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for BLAS and OpenMP inside; one caller at a time, because the limit is shared."""
    with _THREADS, _thread_pools(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _thread_pools(_modules: int) -> Any:
    """The thread pools of the libraries that are loaded; found anew once more modules are.

    To look for them takes 2 ms, longer than many a product of small matrices.
    """
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


@dataclass(frozen=True, eq=False)
class Reduced:
    """Texts as rows of few numbers.

    Attributes:
        vectors: [n, components], float64; all zero where no text holds a word.
        explained: Share of the variance of TF-IDF that is kept; None where there is no variance.
        features: Words that TF-IDF knows: two characters at least, so that "5 apples" equals
            "7 apples" and differs from "12 apples".
        notes: What had to be smaller than asked, in sentences.
    """

    vectors: Vectors
    explained: float | None
    features: int
    notes: tuple[str, ...] = ()


def tfidf_svd(texts: Sequence[str], *, components: int, seed: int) -> Reduced:
    """TF-IDF of the texts, reduced by a truncated SVD to at most `components` numbers a text."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    vectorizer = TfidfVectorizer()
    analyze = vectorizer.build_analyzer()
    if not any(analyze(text) for text in texts):
        # TfidfVectorizer raises here
        note = "no text holds a word of two characters: all lie at one point"
        return Reduced(np.zeros((len(texts), 1)), None, 0, (note,) if texts else ())
    table = vectorizer.fit_transform(texts)
    features = int(table.shape[1])
    kept = min(components, features, len(texts))
    notes: list[str] = []
    if kept < components:
        notes.append(
            f"SVD to {kept} components instead of {components}: "
            f"there are {features} words and {len(texts)} texts"
        )
    vectors, explained = _svd(table, kept, seed)
    return Reduced(vectors, explained, features, tuple(notes))


def _svd(table: Any, components: int, seed: int) -> tuple[Vectors, float | None]:
    """The rows of a sparse table in `components` numbers each, and the share of variance kept."""
    from sklearn.decomposition import TruncatedSVD  # type: ignore[import-untyped]

    if table.shape[1] == 1:  # TruncatedSVD wants two columns
        column = np.asarray(table.toarray(), dtype=np.float64)
        return column, 1.0 if column.var() > 0 else None
    with one_thread(), np.errstate(invalid="ignore", divide="ignore"):  # no variance: 0/0
        svd = TruncatedSVD(components, random_state=seed % 2**32)
        vectors = np.asarray(svd.fit_transform(table), dtype=np.float64)
        explained = float(svd.explained_variance_ratio_.sum())
    # equal texts may differ in the last digits
    return vectors, explained if vectors.var(axis=0).sum() > 1e-12 else None


class Clustered(NamedTuple):
    """The cluster of every row, from 0 up without gaps, and what had to be smaller than asked."""

    labels: Labels
    notes: tuple[str, ...] = ()


def kmeans_labels(vectors: Vectors, clusters: int, *, seed: int) -> Clustered:
    """Mini-batch k-means of the rows of `vectors` [n, d] into at most `clusters` clusters.

    There are never more clusters than distinct rows. Clusters that stay empty are not counted.
    """
    if len(vectors) == 0:
        return Clustered(np.zeros(0, dtype=np.int64))
    # rows of equal texts may differ in the last digits
    distinct = len(np.unique(np.round(vectors, 9), axis=0))
    asked = min(clusters, distinct)
    if asked == 1:
        found = np.zeros(len(vectors), dtype=np.int64)
    else:
        from sklearn.cluster import MiniBatchKMeans  # type: ignore[import-untyped]

        with one_thread():
            model = MiniBatchKMeans(asked, random_state=seed % 2**32)
            found = model.fit_predict(vectors)
    used, labels = np.unique(found, return_inverse=True)
    notes = []
    if asked < clusters:
        notes.append(f"{asked} clusters instead of {clusters}: there are {distinct} distinct texts")
    if len(used) < asked:
        notes.append(f"{asked - len(used)} of {asked} clusters stayed empty")
    return Clustered(labels.astype(np.int64), tuple(notes))


class ClusterSizes(NamedTuple):
    """How evenly rows lie in clusters. Single rows always survive a round robin."""

    clusters: int
    singletons: int
    median: float
    largest: int


def cluster_sizes(labels: Labels) -> ClusterSizes:
    """The sizes of the clusters that occur in `labels`."""
    if len(labels) == 0:
        return ClusterSizes(0, 0, 0.0, 0)
    sizes = np.unique(labels, return_counts=True)[1]
    return ClusterSizes(
        len(sizes), int((sizes == 1).sum()), float(np.median(sizes)), int(sizes.max())
    )


def round_robin(labels: Sequence[int] | Labels, count: int, rng: Random) -> list[int]:
    """`count` indices into `labels` (all, where there are fewer), none twice.

    In every pass each cluster that is not used up gives one random member. The clusters come in a
    new random order each time: in the last pass, which ends in the middle, none comes first always.
    """
    members: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(int(label), []).append(index)
    for indices in members.values():
        rng.shuffle(indices)
    chosen: list[int] = []
    turn = list(members.values())
    while turn and len(chosen) < count:
        rng.shuffle(turn)
        chosen += [indices.pop() for indices in turn[: count - len(chosen)]]
        turn = [indices for indices in turn if indices]
    return chosen
