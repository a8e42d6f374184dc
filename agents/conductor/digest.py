"""What a conductor is told of the memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Digest:
    """What the conductor is told of the memory; every list is bounded by whoever fills it.

    `count` is None where it is told nothing: then `genres` are any.
    """

    count: int | None = 0
    topics: str = ""
    recent: Sequence[str] = ()
    personas: Sequence[str] = ()
    neighbours: Sequence[str] = ()
    claims: Sequence[str] = ()
    genres: Sequence[str] = field(default=())
