"""Seeds: the keyword sets or documents that records start from."""

import glob
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from metasynth.config.run import SeedsConfig
from metasynth.errors import ConfigError
from metasynth.randomness import generator
from metasynth.text.files import file_texts, hub_texts, read_text
from metasynth.text.words import cut_words, split_keywords

TABLES = {".jsonl", ".parquet"}
TEXTS = {".txt", ".md", ".rst"}


@dataclass(frozen=True)
class Seed:
    """One seed. `keywords` is empty for a document, `text` holds what the experts are shown."""

    id: str
    text: str
    keywords: tuple[str, ...] = ()


def load_seeds(
    config: SeedsConfig, *, random_seed: int, section: str = "seeds", key: str = "documents"
) -> list[Seed]:
    """The seeds of a run, in a stable order; a pool above `limit` is sampled.

    Args:
        config: Where they are and how many.
        random_seed: Of the sample.
        section: How messages call the section of the run file.
        key: How they call the key that names documents.

    Raises:
        ConfigError: Nothing usable is there; names the file, the field and what was found.
    """
    if config.documents is not None:
        texts = _documents(config.documents, config, section, key)
        seeds = [_document_seed(text, config.max_words) for text in texts]
    else:
        seeds = [_keyword_seed(words) for words in _keyword_sets(config)]
    unique = list({seed.id: seed for seed in seeds if seed.text}.values())
    if not unique:
        where = "seeds" if key == "documents" else f"{section}.{key}"
        raise ConfigError(f"{where}: the seed set is empty: no keywords and no text were found")
    if len(unique) > config.limit:
        unique = generator(random_seed, "seed pool").sample(unique, config.limit)
    return unique


def _document_seed(text: str, max_words: int) -> Seed:
    return Seed(id=f"seed-{_digest(text)}", text=cut_words(text.strip(), max_words))


def _keyword_seed(keywords: tuple[str, ...]) -> Seed:
    text = ", ".join(keywords)
    return Seed(id=f"seed-{_digest(text)}", text=text, keywords=keywords)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _keyword_sets(config: SeedsConfig) -> Iterator[tuple[str, ...]]:
    if config.keywords_file is None:
        lines: Iterable[str] = (", ".join(words) for words in config.keywords)
    else:
        lines = read_text(config.keywords_file).splitlines()
    for line in lines:
        if words := tuple(split_keywords(line)):
            yield words


def _documents(source: str, config: SeedsConfig, section: str, key: str) -> Iterator[str]:
    called, field = f"{section}.{key}", f"{section}.text_field"
    if source.startswith("hf:"):
        name = source.removeprefix("hf:")
        texts = hub_texts(name, config.text_field, split=config.split, what=called, setting=field)
        # a streamed pool is sampled from its first rows, so that a huge set is not read to its end
        yield from islice(texts, 20 * config.limit)
        return
    path = Path(source)
    if path.is_dir():
        known = sorted(TABLES | TEXTS)
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in known)
        if not files:
            raise ConfigError(f"{called}: {source} holds no file of {', '.join(known)}")
    elif path.exists():
        files = [path]
    else:
        found = map(Path, sorted(glob.glob(source, recursive=True)))  # noqa: PTH207 - absolute patterns
        files = [file for file in found if file.is_file()]
    if not files:
        raise ConfigError(f"{called}: no such file: {source}")
    for file in files:
        yield from file_texts(file, config.text_field, setting=field)
