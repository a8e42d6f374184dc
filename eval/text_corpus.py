"""Texts to measure: out of JSON lines, Parquet, text files, folders and run directories.

What is wrong with a file is told in one line with its name and line. Texts without anything but
blanks are left out and counted.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal

from metasynth.errors import RequestError
from metasynth.text.words import count_words, encodable

Split = Literal["auto", "line", "paragraph", "file"]

MAX_LINE_BYTES = 16 * 2**20
_TABLES = (".jsonl", ".jsonl.gz", ".parquet")
_NOTES = (".md", ".rst")
_TEXTS = (".txt", ".txt.gz", ".text", *_NOTES)


@dataclass(frozen=True, slots=True)
class Document:
    """A text to measure, with the labels that its row has.

    Attributes:
        place: File and line, for a person to look it up.
    """

    text: str
    place: str = ""
    topic: str = ""
    persona: str = ""


@dataclass(frozen=True)
class CorpusLayout:
    """Where the texts stand in rows and files.

    Attributes:
        fields: Of a row; the first one that a row has counts. None: `text`, else `messages`, else
            `prompt` and `completion`.
        topic: The field of the topic label.
        persona: The field of the persona label.
        split: What is one text in a text file: a line, a paragraph (between blank lines), or the
            file; `auto`: a line in a file that is named, the file in a folder.
        min_words: Texts with fewer words, split at blanks, are left out.
    """

    fields: tuple[str, ...] = ()
    topic: str = "topic"
    persona: str = "persona"
    split: Split = "auto"
    min_words: int = 0


@dataclass(frozen=True)
class TextCorpus:
    """The texts of one name.

    Attributes:
        blank: Rows that were left out because they hold no text.
        short: Those that were left out because they have too few words.
    """

    name: str
    documents: tuple[Document, ...]
    blank: int = 0
    short: int = 0

    @property
    def texts(self) -> list[str]:
        """The texts alone."""
        return [document.text for document in self.documents]


def read_corpus(
    path: Path, layout: CorpusLayout | None = None, *, name: str | None = None
) -> TextCorpus:
    """The texts of a file, of all files in a folder, or of a run's accepted records.

    Raises:
        RequestError: It cannot be read, holds no text, is not UTF-8, has a line of more than 16
            MiB, or a row without the fields; names file and line.
    """
    layout = layout or CorpusLayout()
    files = list(_files(path))
    if path.is_dir() and layout.split == "auto":
        layout = replace(layout, split="file")
    documents = [document for file in files for document in _documents(file, layout)]
    filled = [document for document in documents if document.text.strip()]
    if not filled:
        reason = f"{len(documents)} rows, all blank" if documents else "it is empty"
        raise RequestError(f"{path}: holds no text ({reason})", code="no_text")
    long_enough = [
        document for document in filled if count_words(document.text) >= layout.min_words
    ]
    if not long_enough:
        raise RequestError(
            f"{path}: none of its {len(filled)} texts has {layout.min_words} words",
            code="too_short",
        )
    return TextCorpus(
        name or _name(path),
        tuple(long_enough),
        len(documents) - len(filled),
        len(filled) - len(long_enough),
    )


def _name(path: Path) -> str:
    if path.is_dir() or path.name == "corpus.jsonl":
        folder = path.resolve() if path.is_dir() else path.resolve().parent
        return folder.name
    return path.name.partition(".")[0] or path.name


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise RequestError(f"no such file or folder: {path}", code="missing_file")
    if not path.is_dir():
        yield path
        return
    corpus = path / "corpus.jsonl"
    if corpus.exists():
        yield corpus
        return
    if (path / "run.yaml").exists():
        raise RequestError(f"{path}: the run has no corpus yet", code="no_corpus")
    known = (*_TABLES, *_TEXTS)
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and file.name.lower().endswith(known) and not _is_note(file)
    )
    if any(file.name.lower().endswith(_TABLES) for file in files):
        # beside rows, Markdown is a note about the data set and no part of it
        files = [file for file in files if file.suffix.lower() not in _NOTES]
    if not files:
        raise RequestError(
            f"{path}: no file to read", hint=f"looked for {', '.join(known)}", code="no_files"
        )
    yield from files


def _is_note(file: Path) -> bool:
    return file.name.lower().startswith(("readme", "license", "."))


def _documents(file: Path, layout: CorpusLayout) -> Iterator[Document]:
    with _one_line_errors(file):
        lowered = file.name.lower()
        if lowered.endswith(".parquet"):
            yield from _parquet(file, layout)
        elif lowered.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".json")):
            yield from _json_lines(file, layout)
        else:
            yield from _plain(file, layout.split)


@contextmanager
def _one_line_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RequestError(f"{file}: a damaged gzip file ({error})", code="damaged") from None
    except OSError as error:
        raise RequestError(
            f"{file}: cannot be read ({error.strerror or error})", code="unreadable"
        ) from None


def _opened(file: Path) -> BufferedIOBase:
    return gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb")


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """Each line with its place."""
    with _opened(file) as opened:
        number = 0
        while line := opened.readline(MAX_LINE_BYTES + 1):
            number += 1
            where = f"{file}, line {number}"
            if len(line) > MAX_LINE_BYTES:
                raise RequestError(
                    f"{where}: longer than {MAX_LINE_BYTES >> 20} MiB, no text of a corpus",
                    hint="split it, or remove it",
                    code="long_line",
                )
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8"), where
            except UnicodeDecodeError as error:
                raise RequestError(
                    f"{where}: not UTF-8 ({error.reason})", code="not_utf8"
                ) from None


def _json_lines(file: Path, layout: CorpusLayout) -> Iterator[Document]:
    for line, where in _lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise RequestError(f"{where}: not JSON", code="not_json") from None
        yield _document(row, where, layout)


def _parquet(file: Path, layout: CorpusLayout) -> Iterator[Document]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.ParquetFile(file)
        there = set(table.schema_arrow.names)
        wanted = layout.fields or ("text", "messages", "prompt", "completion")
        columns = [name for name in (*wanted, layout.topic, layout.persona) if name in there]
        if not there.intersection(wanted):
            raise _no_text(str(file), sorted(there), layout)
        number = 0
        for batch in table.iter_batches(columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield _document(row, f"{file}, row {number}", layout)
    except pa.ArrowException as error:
        first = str(error).partition("\n")[0]
        raise RequestError(f"{file}: not a Parquet file ({first})", code="not_parquet") from None


def _plain(file: Path, split: Split) -> Iterator[Document]:
    if split in ("auto", "line"):
        yield from (Document(encodable(line.rstrip("\r\n")), where) for line, where in _lines(file))
        return
    lines: list[str] = []
    begun = ""
    for line, where in _lines(file):
        if split == "paragraph" and not line.strip():
            if lines:
                yield Document(encodable("".join(lines).rstrip()), begun)
            lines = []
            continue
        begun = begun if lines else where
        lines.append(line)
    if lines:
        yield Document(
            encodable("".join(lines).rstrip()), begun if split == "paragraph" else str(file)
        )


def _document(row: Any, where: str, layout: CorpusLayout) -> Document:
    if not isinstance(row, dict):
        raise RequestError(
            f"{where}: no JSON object but {type(row).__name__}", code="not_an_object"
        )
    labels = {
        label: value
        for label, name in (("topic", layout.topic), ("persona", layout.persona))
        if isinstance(value := row.get(name), str)
    }
    return Document(encodable(_text(row, where, layout)), where, **labels)


def _text(row: dict[str, Any], where: str, layout: CorpusLayout) -> str:
    if layout.fields:
        present = [name for name in layout.fields if name in row]
        if not present:
            raise _no_text(where, list(row), layout)
        return _joined(row[present[0]], f"{where}, {present[0]}")
    for names in (("text",), ("messages",), ("prompt", "completion")):
        parts = [
            _joined(row[name], f"{where}, {name}") for name in names if row.get(name) is not None
        ]
        if parts:
            return "\n\n".join(parts)
    if "text" in row or "messages" in row or "prompt" in row:
        return ""  # there, and null
    raise _no_text(where, list(row), layout)


def _joined(value: Any, where: str) -> str:
    """A text; of a list of texts or messages their contents."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("content"), str):
        return str(value["content"])
    if isinstance(value, list):
        return "\n\n".join(_joined(part, where) for part in value)
    raise RequestError(f"{where}: no text but {type(value).__name__}", code="not_text")


def _no_text(where: str, names: Sequence[str], layout: CorpusLayout) -> RequestError:
    wanted = " or ".join(map(repr, layout.fields or ("text", "messages", "prompt")))
    return RequestError(
        f"{where}: no field {wanted}; it has: {', '.join(names) or 'none'}",
        hint="name the field with --field",
        code="missing_field",
    )
