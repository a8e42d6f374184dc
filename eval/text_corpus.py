"""Texts to measure: out of files of every kind, folders and run directories.

What is wrong with a file is told in one line with its name and line. Texts without anything but
blanks are left out and counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from metasynth.errors import RequestError
from metasynth.sources.fields import row_text, wanted_columns
from metasynth.sources.lines import MAX_LINE_BYTES, lines
from metasynth.sources.listing import (
    OFFICE,
    ROWS,
    LeftOut,
    Listing,
    SourceFile,
    is_card,
    kind_of,
    list_files,
)
from metasynth.sources.markdown import without_front_matter
from metasynth.sources.office import office_passages
from metasynth.sources.parquet import parquet_rows
from metasynth.sources.pdf import pdf_passages
from metasynth.sources.reading import rows_of
from metasynth.sources.row import Row
from metasynth.text.words import count_words, encodable

Split = Literal["auto", "line", "paragraph", "file"]

_NOTES = (".md", ".markdown", ".rst")


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
        left_out: Files of a folder that are not read.
    """

    name: str
    documents: tuple[Document, ...]
    blank: int = 0
    short: int = 0
    left_out: tuple[LeftOut, ...] = ()

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
    listing = _listing(path)
    if path.is_dir() and layout.split == "auto":
        layout = replace(layout, split="file")
    documents = [document for file in listing.files for document in _documents(file, layout)]
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
        tuple(listing.left_out),
    )


def _name(path: Path) -> str:
    if path.is_dir() or path.name == "corpus.jsonl":
        folder = path.resolve() if path.is_dir() else path.resolve().parent
        return folder.name
    return path.name.partition(".")[0] or path.name


def _listing(path: Path) -> Listing:
    if not path.exists() and not path.is_symlink():
        raise RequestError(f"no such file or folder: {path}", code="missing_file")
    if path.is_dir():
        if (path / "corpus.jsonl").exists():
            return list_files(str(path / "corpus.jsonl"), called="corpus")
        if (path / "run.yaml").exists():
            raise RequestError(f"{path}: the run has no corpus yet", code="no_corpus")
    listing = list_files(str(path), called="corpus")
    if listing.is_one:
        return listing
    files = [file for file in listing.files if not is_card(file)]
    if any(file.kind in ROWS for file in files):
        # beside rows, Markdown is a note about the data set and no part of it
        files = [file for file in files if file.path.suffix.lower() not in _NOTES]
    if not files:
        raise RequestError(f"{path}: no file to read but notes about it", code="no_files")
    notes = [LeftOut(file.path, "a note") for file in listing.files if file not in files]
    return Listing(files, [*listing.left_out, *notes], is_one=False)


def _documents(file: SourceFile, layout: CorpusLayout) -> Iterator[Document]:
    path, kind = file
    if kind in ROWS:
        labels = (layout.topic, layout.persona)
        if kind == "parquet":
            rows = parquet_rows(
                path,
                lambda names: [
                    *wanted_columns(names, layout.fields, "--field", path),
                    *(name for name in labels if name in names),
                ],
            )
        else:
            rows = rows_of(path, kind, layout.fields, "--field")
        yield from (_document(row, layout, kind) for row in rows)
    elif kind in OFFICE or kind == "pdf":
        passages = pdf_passages(path) if kind == "pdf" else office_passages(path, kind=kind)
        yield Document("\n\n".join(passage.text for passage in passages), str(path))
    else:
        yield from _plain(path, layout.split)


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """Each line with its place."""
    for line in lines(file, most=MAX_LINE_BYTES):
        where = f"{file}, line {line.number}"
        if line.problem:
            raise RequestError(f"{where}: {line.problem}", code=line.code)
        yield line.text, where


def _plain(file: Path, split: Split) -> Iterator[Document]:
    if split in ("auto", "line"):
        yield from (Document(encodable(line.rstrip("\r\n")), where) for line, where in _lines(file))
        return
    stretch: list[str] = []
    begun = ""
    for line, where in _lines(file):
        if split == "paragraph" and not line.strip():
            if stretch:
                yield Document(encodable("".join(stretch).rstrip()), begun)
            stretch = []
            continue
        begun = begun if stretch else where
        stretch.append(line)
    if stretch:
        text = "".join(stretch)
        if split == "file" and kind_of(file) == "markdown":
            text = text[without_front_matter(text)[0] :]
        yield Document(encodable(text.rstrip()), begun if split == "paragraph" else str(file))


def _document(row: Row, layout: CorpusLayout, kind: str) -> Document:
    text = row_text(row, layout.fields, "--field", table=kind in ("csv", "tsv"))
    labels = {
        label: value
        for label, name in (("topic", layout.topic), ("persona", layout.persona))
        if isinstance(value := row.value.get(name), str)
    }
    return Document(text, row.place, **labels)
