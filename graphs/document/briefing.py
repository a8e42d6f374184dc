"""What the conductor is told of the memory before it starts a record."""

from metasynth.agents.conductor.digest import Digest
from metasynth.graphs.workspace import Workspace
from metasynth.randomness import generator

_GENRES_OFFERED = 3
_PERSONAS_SHOWN = 5
_CLAIMS_SHOWN = 8


async def digest_for(
    workspace: Workspace, seed_text: str, chain: str, number: int
) -> tuple[Digest, str]:
    """The digest for a seed, and the summaries of its nearest records as one attachment.

    Every part is bounded, so the brief does not grow with the corpus. A conductor that is told
    nothing of the corpus gets as many genres, drawn anew for each record.
    """
    limits = workspace.config.memory
    if not limits.told:
        rng = generator(workspace.config.random_seed, "genres", chain, number)
        offered = workspace.config.domain.genres
        genres = rng.sample(offered, min(_GENRES_OFFERED, len(offered)))
        return Digest(count=None, genres=genres), ""
    memory = workspace.memory
    known = await memory.digest(
        seed_text,
        k=limits.neighbours,
        labels=limits.labels,
        topics=limits.topics,
        others=_CLAIMS_SHOWN,
        chain=chain,
    )
    shown = _PERSONAS_SHOWN if workspace.config.conductor.personas else 0
    personas = [name for name, _ in memory.personas().most_common(shown)]
    neighbours = [neighbour.summary for neighbour in known.neighbours]
    digest = Digest(
        count=known.records,
        topics=_counts(known.topics, known.other_topics),
        recent=known.labels,
        personas=personas,
        neighbours=neighbours,
        claims=[claim.label for claim in known.claims],
        genres=least_used_genres(workspace, chain, most=_GENRES_OFFERED),
    )
    return digest, "\n".join(neighbours)


def _counts(topics: tuple[tuple[str, int], ...], others: int) -> str:
    listed = ", ".join(f"{name} {count}" for name, count in topics)
    return f"{listed}, others {others}" if others else listed


def least_used_genres(workspace: Workspace, chain: str, *, most: int) -> list[str]:
    """The domain's genres that the corpus holds least of.

    Each chain breaks ties from a place of its own in the run file's list, so that chains which
    start together do not all choose the same.
    """
    counts = workspace.memory.genres()
    offered = workspace.config.domain.genres
    start = int(chain) % len(offered) if offered and chain.isdecimal() else 0
    return sorted([*offered[start:], *offered[:start]], key=lambda genre: counts[genre])[:most]
