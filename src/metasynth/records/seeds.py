"""Seeds: the keyword sets or documents that records start from."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metasynth.config.run import SeedsConfig
from metasynth.errors import ConfigError
from metasynth.randomness import generator
from metasynth.sources.chunks import ChunkLimits
from metasynth.sources.lines import whole_text
from metasynth.sources.passage import Passage, Place
from metasynth.sources.reading import ReadingSettings, SourceReport, read_chunks
from metasynth.text.words import split_keywords

_POOL = 20  # times `limit`: the chunks of a file, or rows of a hub, that seeds are drawn from


@dataclass(frozen=True)
class Seed:
    """One seed.

    Attributes:
        keywords: Empty for a document.
        text: What the experts are shown.
        place: Where a document was read from.
        metadata: What its file says of itself, such as a note's title and tags.
    """

    id: str
    text: str
    keywords: tuple[str, ...] = ()
    place: Place | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)


def load_seeds(
    config: SeedsConfig,
    *,
    random_seed: int,
    section: str = "seeds",
    key: str = "documents",
    report: SourceReport | None = None,
) -> list[Seed]:
    """The seeds of a run, in a stable order; of a pool above `limit` so many are drawn evenly.

    Memory and time do not grow with the files: of each no more than its first 20 times `limit`
    chunks are read, and no more than `limit` are held.

    Args:
        config: Where they are and how many.
        random_seed: Of the draw.
        section: How messages call the section of the run file.
        key: How they call the key that names documents.
        report: Told what is read and what is left out.

    Raises:
        ConfigError: Nothing usable is there; names the file, the field and what was found.
    """
    report = report if report is not None else SourceReport()
    if config.documents is not None:
        chunks = read_chunks(config.documents, _reading(config, section, key), report)
        seeds: Iterator[Seed] = map(_document_seed, chunks)
    else:
        seeds = map(_keyword_seed, _keyword_sets(config))
    drawn = draw(seeds, config.limit, random_seed=random_seed)
    if not drawn:
        where = "seeds" if key == "documents" else f"{section}.{key}"
        named = "".join(f"; {one.path}: {one.reason}" for one in report.left_out[:5])
        raise ConfigError(
            f"{where}: the seed set is empty: no keywords and no text were found{named}",
            code="no_seeds",
        )
    return drawn


def draw(seeds: Iterable[Seed], limit: int, *, random_seed: int) -> list[Seed]:
    """Distinct seeds in their order, `limit` at most (Vitter's algorithm R)."""
    rng = generator(random_seed, "seed pool")
    seen: set[str] = set()
    drawn: list[tuple[int, Seed]] = []
    for seed in seeds:
        if not seed.text or seed.id in seen:
            continue
        seen.add(seed.id)
        number = len(seen) - 1
        if number < limit:
            drawn.append((number, seed))
        elif (place := rng.randrange(number + 1)) < limit:
            drawn[place] = (number, seed)
    return [seed for _, seed in sorted(drawn, key=lambda pair: pair[0])]


def _reading(config: SeedsConfig, section: str, key: str) -> ReadingSettings:
    return ReadingSettings(
        ChunkLimits(config.chunk_tokens, config.chunk_overlap, config.max_words),
        section=section,
        key=key,
        field=config.text_field,
        split=config.split,
        encoding=config.encoding,
        most=_POOL * config.limit,
    )


def _document_seed(chunk: Passage) -> Seed:
    return Seed(
        f"seed-{_digest(chunk.text)}", chunk.text, place=chunk.place, metadata=chunk.metadata
    )


def _keyword_seed(keywords: tuple[str, ...]) -> Seed:
    text = ", ".join(keywords)
    return Seed(id=f"seed-{_digest(text)}", text=text, keywords=keywords)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _keyword_sets(config: SeedsConfig) -> Iterator[tuple[str, ...]]:
    if config.keywords_file is None:
        lines: Iterable[str] = (", ".join(words) for words in config.keywords)
    else:
        lines = whole_text(Path(config.keywords_file), encoding=config.encoding).splitlines()
    for line in lines:
        if words := tuple(split_keywords(line)):
            yield words
