"""Do samples copy what the soft prompt was trained on?

The training is a lossy auto-encoder (arXiv 2410.16534, section 2): with a context that tells
enough, repeating x is the optimum, and the paper does not measure it. Each number stands beside the
same number for held-out real questions, which nobody copied: what is above that is memory.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from metasynth.softsrv.sampling.samples import Sample
from metasynth.softsrv.target import Row
from metasynth.text.contamination import Contamination, Kind, PlacedText

Embed = Callable[[list[str]], NDArray[np.floating]]
Unit = NDArray[np.float32]

HIGH = 0.9
_BLOCK = 1024
_SHOWN = 5


class Similarities(TypedDict):
    """Cosine similarities (-1 to 1); `high` is the share at 0.9 and above."""

    mean: float
    median: float
    p95: float
    max: float
    high: float


class Copying(TypedDict):
    """How close texts are to training rows: to their own one, and to any.

    Shares of the texts (0 to 1) that equal a row or hold the whole of a short one (`exact`), share
    a run of 13 words with it (`ngram`), or are nearly it (`near`), numbers and case aside. What is
    their own row's counts only texts that have one. None: there are no texts.
    """

    texts: int
    with_own: int
    own: dict[Kind, float] | None
    any: dict[Kind, float] | None
    own_similarity: Similarities | None
    any_similarity: Similarities | None


class Closest(TypedDict):
    """A sample that is close to a row, for a person to look at."""

    number: int
    context_id: str
    row: str
    similarity: float


class CopyAudit(TypedDict):
    """Samples beside held-out real texts, and the samples closest to a training row."""

    samples: Copying
    held_out: Copying
    closest: list[Closest]


def copy_audit(
    samples: Sequence[Sample],
    rows: Sequence[Row],
    held_out: Sequence[str],
    embed: Embed,
    *,
    ngram: int = 13,
) -> CopyAudit:
    """Compare samples with the rows trained on, and held-out texts with the same rows.

    Args:
        samples: A sample's own row is the one that its `context_id` names.
        rows: All rows that were trained on.
        held_out: Real texts of the target that were not.
        embed: Vectors of texts, [n, d], in any scale.
        ngram: Words in a row that count as copied.
    """
    places = {row.id: place for place, row in enumerate(rows)}
    owners = np.array([places.get(sample.context_id, -1) for sample in samples], dtype=np.int64)
    known = Contamination((PlacedText(row.text, row.id) for row in rows), ngram=ngram)
    vectors = _unit(embed, [row.text for row in rows])
    drawn = _unit(embed, [sample.text for sample in samples])
    nearest, similarity = _nearest(drawn, vectors)
    has_own = np.flatnonzero(owners >= 0)
    own_similarity = np.zeros(0, dtype=np.float32)
    if len(has_own):
        own_similarity = (drawn[has_own] * vectors[owners[has_own]]).sum(axis=1)
    texts = [sample.text for sample in samples]
    return CopyAudit(
        samples=Copying(
            texts=len(texts),
            with_own=len(has_own),
            own=_own_shares(texts, owners, rows, ngram),
            any=_shares([known.all_kinds(text) for text in texts]) if rows else None,
            own_similarity=_similarities(own_similarity),
            any_similarity=_similarities(similarity),
        ),
        held_out=Copying(
            texts=len(held_out),
            with_own=0,
            own=None,
            any=_shares([known.all_kinds(text) for text in held_out]) if rows else None,
            own_similarity=None,
            any_similarity=_similarities(_nearest(_unit(embed, list(held_out)), vectors)[1]),
        ),
        closest=[
            Closest(
                number=samples[i].number,
                context_id=samples[i].context_id,
                row=rows[nearest[i]].id,
                similarity=float(similarity[i]),
            )
            for i in np.argsort(-similarity, kind="stable")[:_SHOWN]
        ],
    )


def _own_shares(
    texts: Sequence[str], owners: NDArray[np.int64], rows: Sequence[Row], ngram: int
) -> dict[Kind, float] | None:
    found: list[set[Kind]] = []
    for owner in np.unique(owners[owners >= 0]).tolist():
        own = Contamination([rows[owner].text], ngram=ngram)
        found += [own.all_kinds(texts[i]) for i in np.flatnonzero(owners == owner).tolist()]
    return _shares(found)


def _shares(found: Sequence[set[Kind]]) -> dict[Kind, float] | None:
    if not found:
        return None
    kinds: tuple[Kind, ...] = ("exact", "ngram", "near")
    return {kind: sum(kind in each for each in found) / len(found) for kind in kinds}


def _unit(embed: Embed, texts: list[str]) -> Unit:
    """Rows of unit length; a zero vector stays zero, and is like nothing."""
    if not texts:
        return np.zeros((0, 0), dtype=np.float32)
    vectors = np.asarray(embed(texts), dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _nearest(texts: Unit, rows: Unit) -> tuple[NDArray[np.int64], Unit]:
    """For each text the most similar row and its similarity, a block at a time; [] without rows."""
    if not len(rows) or not len(texts):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    best, similarity = [], []
    for start in range(0, len(texts), _BLOCK):
        table = texts[start : start + _BLOCK] @ rows.T
        best.append(table.argmax(axis=1))
        similarity.append(table.max(axis=1))
    return np.concatenate(best), np.concatenate(similarity)


def _similarities(values: NDArray[np.floating]) -> Similarities | None:
    if not len(values):
        return None
    return Similarities(
        mean=float(values.mean()),
        median=float(np.median(values)),
        p95=float(np.quantile(values, 0.95)),
        max=float(values.max()),
        high=float((values >= HIGH).mean()),
    )
