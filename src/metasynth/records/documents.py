"""Documents that instructions are made from: another run's corpus, or the user's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metasynth.config.run import SeedsConfig
from metasynth.errors import ConfigError
from metasynth.randomness import generator
from metasynth.sources.lines import lines
from metasynth.sources.passage import Place
from metasynth.sources.reading import FileReport, SourceReport
from metasynth.text.words import count_words, cut_words

from .record import Record, read_records
from .seeds import Seed, load_seeds

_CORPUS = "corpus.jsonl"


@dataclass(frozen=True)
class Document(Seed):
    """A seed that is a document; a record's has the record's id, topic and summary."""

    topic: str = ""
    summary: str = ""


def load_documents(
    config: SeedsConfig, *, random_seed: int, report: SourceReport | None = None
) -> list[Document]:
    """The documents of a run, in a stable order; a pool above `limit` is sampled.

    `seeds.documents` may be a run directory, a file of records (`corpus.jsonl`), or whatever
    `load_seeds` reads. A record's document that is longer than `max_words` is cut.

    Args:
        report: Told what is read and what is left out.

    Raises:
        ConfigError: Nothing usable is there.
        MetaSynthError: A file of records has a line that is none.
    """
    path = corpus_file(config.documents or "")
    if path is None:
        seeds = load_seeds(config, random_seed=random_seed, report=report)
        return [
            Document(seed.id, seed.text, place=seed.place, metadata=seed.metadata) for seed in seeds
        ]
    documents = list(_of_records(path, config.max_words))
    if not documents:
        raise ConfigError(
            f"seeds.documents: {path} holds no document",
            hint="name a run of graph document or template that has accepted records",
            code="no_documents",
        )
    if len(documents) > config.limit:
        documents = generator(random_seed, "seed pool").sample(documents, config.limit)
    _tell(report, path, documents)
    return documents


def load_instructions(
    config: SeedsConfig, *, random_seed: int, report: SourceReport | None = None
) -> list[Seed]:
    """The instructions that a pool starts from; sources, order and errors as `load_documents`.

    Of records that are instructions the questions are taken; other texts are taken as they are.
    """
    path = corpus_file(config.documents or "")
    if path is None:
        return load_seeds(config, random_seed=random_seed, report=report)
    found = [Seed(record.id, record.question) for record in read_records(path) if record.question]
    if not found:
        raise ConfigError(f"seeds.documents: {path} holds no instruction", code="no_documents")
    if len(found) > config.limit:
        found = generator(random_seed, "seed pool").sample(found, config.limit)
    _tell(report, path, found)
    return found


def _tell(report: SourceReport | None, path: Path, seeds: Sequence[Seed]) -> None:
    if report is not None:
        words = sum(count_words(seed.text) for seed in seeds)
        report.files.append(FileReport(str(path), "records", words, len(seeds)))


def corpus_file(source: str) -> Path | None:
    """The file of records that `source` names, itself or as a run directory; None for others."""
    path = Path(source)
    if path.is_dir():
        path = path / _CORPUS
    if path.suffix != ".jsonl" or not path.is_file():
        return None
    first = next((line.text for line in lines(path) if line.text.strip()), "")
    try:
        Record.model_validate_json(first)
    except ValueError:
        # a run directory without a record is still no folder of texts
        return path if path.name == _CORPUS and not first else None
    return path


def _of_records(path: Path, max_words: int) -> Iterable[Document]:
    for record in read_records(path):
        if record.kind == "document" and record.text and record.text.strip():
            text = cut_words(record.text.strip(), max_words)
            yield Document(
                record.id,
                text,
                topic=record.topic,
                summary=record.summary,
                place=Place(str(path), "record", end=len(text)),
            )
