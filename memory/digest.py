"""What is shown of the memory, in a size that does not grow with it."""

from collections import Counter
from dataclasses import dataclass, replace

from metasynth.text.words import excerpt

LABEL_WORDS = 8


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An earlier record near a draft.

    Distances are cosine distances, 0 (the same) to 2; `distance` is the smaller of the two. One is
    None where the query had no such part.
    """

    id: str
    distance: float
    summary_distance: float | None
    opening_distance: float | None
    summary: str
    topic: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a chain is writing about right now."""

    chain: str
    label: str
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Digest:
    """What a conductor is shown of the memory; its size does not grow with the records.

    `topics` and `genres` hold the most frequent ones with their counts; `other_topics` and
    `other_genres` count the records of all the rest. `labels` are the latest, newest first.
    """

    records: int
    neighbours: tuple[Neighbour, ...]
    topics: tuple[tuple[str, int], ...]
    other_topics: int
    labels: tuple[str, ...]
    genres: tuple[tuple[str, int], ...]
    other_genres: int
    claims: tuple[Claim, ...]


def most_frequent(counts: Counter[str], number: int) -> tuple[tuple[tuple[str, int], ...], int]:
    """The most frequent names with their counts, ties by name, and the sum of the others."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    named = tuple((excerpt(name, LABEL_WORDS), count) for name, count in ranked[:number])
    return named, sum(count for _, count in ranked[number:])


def shortened(neighbour: Neighbour, words: int) -> Neighbour:
    """The neighbour with at most `words` words of its summary."""
    return replace(
        neighbour,
        summary=excerpt(neighbour.summary, words),
        topic=excerpt(neighbour.topic, LABEL_WORDS),
    )
