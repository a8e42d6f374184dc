"""Seeds: the keyword sets or documents that records start from."""

import glob
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasynth.config import SeedsConfig
from metasynth.errors import ConfigError
from metasynth.randomness import generator
from metasynth.text import cut_words, encodable

TABLES = {".jsonl", ".parquet"}
TEXTS = {".txt", ".md", ".rst"}


@dataclass(frozen=True)
class Seed:
    """One seed. `keywords` is empty for a document, `text` holds what the experts are shown."""

    id: str
    text: str
    keywords: tuple[str, ...] = ()


def load_seeds(config: SeedsConfig, *, random_seed: int) -> list[Seed]:
    """The seeds of a run, in a stable order; a pool above `limit` is sampled.

    Raises:
        ConfigError: Nothing usable is there; names the file, the field and what was found.
    """
    if config.documents is not None:
        texts = _documents(config.documents, config)
        seeds = [_document_seed(text, config.max_words) for text in texts]
    else:
        seeds = [_keyword_seed(words) for words in _keyword_sets(config)]
    unique = list({seed.id: seed for seed in seeds if seed.text}.values())
    if not unique:
        raise ConfigError("seeds: the seed set is empty: no keywords and no text were found")
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
        lines = _read_text(config.keywords_file).splitlines()
    for line in lines:
        if words := tuple(word.strip() for word in line.split(",") if word.strip()):
            yield words


def _documents(source: str, config: SeedsConfig) -> Iterator[str]:
    if source.startswith("hf:"):
        yield from _hub_rows(source.removeprefix("hf:"), config)
        return
    path = Path(source)
    if path.is_dir():
        known = sorted(TABLES | TEXTS)
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in known)
        if not files:
            raise ConfigError(f"seeds.documents: {source} holds no file of {', '.join(known)}")
    elif path.exists():
        files = [path]
    else:
        found = map(Path, sorted(glob.glob(source, recursive=True)))  # noqa: PTH207 - absolute patterns
        files = [file for file in found if file.is_file()]
    if not files:
        raise ConfigError(f"seeds.documents: no such file: {source}")
    for file in files:
        yield from _file_rows(file, config)


def _file_rows(file: Path, config: SeedsConfig) -> Iterator[str]:
    try:
        if file.suffix.lower() == ".jsonl":
            yield from _jsonl_rows(file, config.text_field)
        elif file.suffix.lower() == ".parquet":
            yield from _parquet_rows(file, config.text_field)
        else:
            yield _read_text(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error})") from None


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text ({error})") from None


def _jsonl_rows(file: Path, field: str) -> Iterator[str]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise ConfigError(f"{file}, line {number}: not JSON") from None
            yield _text_of(row, field, f"{file}, line {number}")


def _parquet_rows(file: Path, field: str) -> Iterator[str]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.ParquetFile(file)
        if field not in table.schema_arrow.names:
            raise ConfigError(
                f"{file}: no column {field!r}; it has: {', '.join(table.schema_arrow.names)}",
                hint="name the column with seeds.text_field",
            )
        number = 0
        for batch in table.iter_batches(columns=[field]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield _text_of({field: value}, field, f"{file}, row {number}")
    except pa.ArrowException as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{file}: not a Parquet file ({first})") from None


def _hub_rows(name: str, config: SeedsConfig) -> Iterator[str]:
    from datasets import load_dataset  # type: ignore[import-untyped]

    try:
        rows = load_dataset(name, split=config.split, streaming=True)
    except Exception as error:  # the hub's client raises many kinds
        first = str(error).splitlines()[0]
        raise ConfigError(f"seeds.documents: hf:{name} cannot be loaded: {first}") from error
    # a streamed pool is sampled from its first rows, so that a huge set is not read to its end
    for number, row in enumerate(rows, start=1):
        if number > 20 * config.limit:
            return
        yield _text_of(row, config.text_field, f"hf:{name}, row {number}")


def _text_of(row: Any, field: str, where: str) -> str:
    value = row.get(field) if isinstance(row, dict) else None
    if isinstance(value, str):
        return encodable(value)
    if value is not None:
        raise ConfigError(f"{where}: field {field!r} holds no text but {type(value).__name__}")
    fields = ", ".join(row) if isinstance(row, dict) else type(row).__name__
    raise ConfigError(
        f"{where}: no text in field {field!r}; it has: {fields}",
        hint="name the field with seeds.text_field",
    )
