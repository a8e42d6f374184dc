"""Corpora made comparable: draws of equally many texts with equally many words.

Most metrics move with the size of what they are measured on, so every corpus gives draws of the
same number of texts, and longer texts are cut to a common length until all draws have the same
number of words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from metasynth.errors import RequestError
from metasynth.randomness import generator
from metasynth.text.words import count_words, cut_words

from .text_corpus import TextCorpus

MOST = 200  # texts of a draw, unless asked for
FEW_RECORDS = 20
FEW_WORDS = 2000
_MUCH_CUT = 0.75
_NAMED = 3  # files that are left out


class Draw(NamedTuple):
    """Texts of one corpus, cut, and which ones they are."""

    texts: list[str]
    chosen: list[int]


@dataclass(frozen=True)
class EqualDraws:
    """Draws of several corpora, all of one size.

    Attributes:
        records: Texts of a draw.
        words: Words of a draw, split at blanks.
        draws: Of each corpus, in the order given; `cap` words are the most of one text.
        disjoint: Whether each corpus's draws share no text.
        warnings: What makes the comparison doubtful, or void.
    """

    records: int
    words: int
    draws: tuple[tuple[Draw, ...], ...]
    disjoint: tuple[bool, ...]
    warnings: tuple[str, ...]


def equal_draws(
    corpora: Sequence[TextCorpus], *, records: int | None = None, draws: int = 5, seed: int = 0
) -> EqualDraws:
    """Draws of equally many texts and words.

    Args:
        corpora: Two or more; with one the words stay as they are.
        records: Texts of a draw; None: half of the smallest corpus, 200 at most, and 20 where half
            is fewer but there are enough for draws that differ.
        draws: Of each corpus: without a common text where there are enough, else each at random.
        seed: Decides them.

    Raises:
        RequestError: A corpus has fewer texts than asked for.
    """
    smallest = min(corpora, key=lambda corpus: len(corpus.documents))
    most = len(smallest.documents)
    if records is None:
        records = _usual(most)
    if records > most:
        raise RequestError(
            f"{smallest.name} has {most} texts, fewer than the {records} of a draw",
            hint=f"--records {most} at most, or leave that corpus out",
            code="too_few_texts",
        )
    chosen = [
        _chosen(len(corpus.documents), records, draws, (seed, corpus.name)) for corpus in corpora
    ]
    lengths = [
        np.array([count_words(document.text) for document in corpus.documents])
        for corpus in corpora
    ]
    totals = [
        [int(length[rows].sum()) for rows in picks]
        for length, picks in zip(lengths, chosen, strict=True)
    ]
    words = min(map(min, totals))
    cut = tuple(
        tuple(Draw(_cut(corpus, rows, length[rows], words), rows) for rows in picks)
        for corpus, length, picks in zip(corpora, lengths, chosen, strict=True)
    )
    warnings = _warnings(corpora, totals, records, words, draws)
    disjoint = tuple(len(corpus.documents) >= records * draws for corpus in corpora)
    return EqualDraws(records, words, cut, disjoint, tuple(warnings))


def _usual(smallest: int) -> int:
    """How many texts a draw has, unless asked for."""
    half = smallest if smallest < 4 else smallest // 2
    # draws that overlap tell more than draws that are void
    return min(MOST, FEW_RECORDS if half < FEW_RECORDS <= 0.9 * smallest else half)


def _chosen(n: int, records: int, draws: int, names: tuple[int, str]) -> list[list[int]]:
    """Rows of each draw, in the corpus's order (compression depends on it)."""
    rng = generator(names[0], "equal draws", names[1])
    if n >= records * draws:
        order = rng.sample(range(n), records * draws)
        return [sorted(order[i * records : (i + 1) * records]) for i in range(draws)]
    return [sorted(rng.sample(range(n), records)) for _ in range(draws)]


def _cut(corpus: TextCorpus, rows: Sequence[int], lengths: np.ndarray, words: int) -> list[str]:
    """The texts, cut to a common length so that together they have `words` words."""
    texts = [corpus.documents[row].text for row in rows]
    if lengths.sum() == words:
        return texts
    low, high = 0, int(lengths.max())
    while low < high:  # the largest cap with which the words are not more than asked
        middle = (low + high + 1) // 2
        if int(np.minimum(lengths, middle).sum()) <= words:
            low = middle
        else:
            high = middle - 1
    sizes = np.minimum(lengths, low)
    longer = np.flatnonzero(lengths > low)[: words - int(sizes.sum())]
    sizes[longer] += 1
    return [
        text if size == whole else cut_words(text, int(size))
        for text, size, whole in zip(texts, sizes, lengths, strict=True)
    ]


def _warnings(
    corpora: Sequence[TextCorpus],
    totals: Sequence[Sequence[int]],
    records: int,
    words: int,
    draws: int,
) -> list[str]:
    warnings = []
    if records < FEW_RECORDS:
        warnings.append(
            f"void: {records} texts a draw say nothing about a corpus; {FEW_RECORDS} might"
        )
    if words < FEW_WORDS:
        warnings.append(
            f"void for compression and n-grams: {words:,} words a draw, below {FEW_WORDS:,}"
        )
    for corpus, total in zip(corpora, totals, strict=True):
        n = len(corpus.documents)
        cut = 1 - words / median(total) if median(total) else 0.0
        if cut > _MUCH_CUT:
            warnings.append(
                f"{corpus.name}: {cut:.0%} of its words were cut away to equal the shortest "
                "corpus, so it is the beginnings of its texts that are compared"
            )
        if n < records * draws:
            warnings.append(
                f"{corpus.name}: its {n} texts are too few for {draws} draws of {records} without "
                + ("a common text" if n > records else "a common text: every draw is all of it")
            )
        if corpus.short:
            warnings.append(
                f"{corpus.name}: {corpus.short:,} texts were left out because they are short"
            )
        if corpus.blank:
            warnings.append(f"{corpus.name}: {corpus.blank} blank texts were left out")
        warnings += _left_out(corpus)
    return warnings


def _left_out(corpus: TextCorpus) -> list[str]:
    """Which files of a folder are no part of a corpus, and why."""
    named = [f"{one.path.name} ({one.reason})" for one in corpus.left_out[:_NAMED]]
    if not named:
        return []
    more = len(corpus.left_out) - _NAMED
    rest = f"; and {more} more" if more > 0 else ""
    return [f"{corpus.name}: files left out: {'; '.join(named)}{rest}"]
