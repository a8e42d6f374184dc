"""All that a name stands for, read as passages, with a report of what was read and what not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metasynth.errors import ConfigError
from metasynth.text.words import count_words

from .chunks import ChunkLimits, chunked
from .delimited import delimited_rows
from .extra import MISSING
from .fields import row_text, wanted_columns
from .hub import hub_rows
from .json_array import json_rows
from .jsonl import jsonl_rows
from .listing import OFFICE, ROWS, LeftOut, SourceFile, list_files
from .office import office_passages
from .parquet import parquet_rows
from .passage import Passage, Place
from .pdf import pdf_passages
from .plain import text_passages
from .row import Row

_OF_A_FILE = (
    "not_utf8",
    "damaged_file",
    "locked",
    "too_large",
    "not_parquet",
    "unreadable_file",
    MISSING,
)


@dataclass(frozen=True)
class ReadingSettings:
    """How a source is read.

    Attributes:
        section: What messages call the section of the run file.
        key: What they call the key that names the source.
        field: Of a row; None: by the row's form.
        split: Of `hf:NAME`.
        encoding: Of texts without a byte order mark.
        most: Chunks that are read of one file.
    """

    limits: ChunkLimits
    section: str = "seeds"
    key: str = "documents"
    field: str | None = None
    split: str = "train"
    encoding: str = "utf-8"
    most: int = 10_000

    @property
    def fields(self) -> tuple[str, ...]:
        """The field of a row, if one is named."""
        return (self.field,) if self.field is not None else ()


@dataclass
class FileReport:
    """What was read of a file.

    Attributes:
        words: Of what was read of it, each once.
        blank: Rows that hold no text.
        notes: What else is to be said.
    """

    path: str
    kind: str
    words: int = 0
    chunks: int = 0
    blank: int = 0
    notes: list[str] = field(default_factory=list)

    def facts(self) -> list[str]:
        """All but the path, in a few words each."""
        parts = [self.kind, f"{self.words:,} words", _chunks(self.chunks)]
        if self.blank:
            parts.append(f"{self.blank} rows without text left out")
        return [*parts, *self.notes]


def _chunks(count: int) -> str:
    return f"{count:,} chunk{'s' if count != 1 else ''}"


@dataclass
class SourceReport:
    """What was read of a source, filled while it is read."""

    files: list[FileReport] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "files": [vars(file) for file in self.files],
            "left_out": [{"path": str(one.path), "reason": one.reason} for one in self.left_out],
        }


def read_chunks(source: str, settings: ReadingSettings, report: SourceReport) -> Iterator[Passage]:
    """The chunks of a file, a folder, a pattern or `hf:NAME`, file after file.

    Of a file no more is read than `settings.most` chunks. One of several files that cannot be read
    is left out and said; one that was named itself is an error, as is a broken row of any.

    Raises:
        ConfigError: Nothing is there, a file or a row cannot be read; names file and line.
    """
    called = f"{settings.section}.{settings.key}"
    if source.startswith("hf:"):
        file = FileReport(source, "hf")
        report.files.append(file)
        rows = hub_rows(source.removeprefix("hf:"), split=settings.split, what=called)
        yield from _counted(_row_passages(rows, source, "hf", settings, file), settings, file)
        return
    listing = list_files(source, called=called)
    report.left_out += listing.left_out
    for found in listing.files:
        file = FileReport(str(found.path), found.kind)
        try:
            yield from _counted(_passages(found, settings, file), settings, file)
        except ConfigError as error:
            if listing.is_one or error.code not in _OF_A_FILE:
                raise
            reason = error.message.removeprefix(f"{found.path}: ")
            report.left_out.append(LeftOut(found.path, reason))
            hint = f" ({error.hint})" if error.hint else ""
            report.warnings.append(f"{called}: left out {error.message}{hint}")
            if not file.chunks:
                continue
        report.files.append(file)


def _counted(
    passages: Iterator[Passage], settings: ReadingSettings, file: FileReport
) -> Iterator[Passage]:
    for chunk in chunked(_with_words(passages, file), settings.limits):
        if file.chunks == settings.most:
            file.notes.append(f"its first {settings.most:,} chunks alone")
            return
        file.chunks += 1
        yield chunk


def _with_words(passages: Iterator[Passage], file: FileReport) -> Iterator[Passage]:
    for passage in passages:
        file.words += count_words(passage.text)
        yield passage


def _passages(found: SourceFile, settings: ReadingSettings, file: FileReport) -> Iterator[Passage]:
    path, kind, encoding = found.path, found.kind, settings.encoding
    if kind in ROWS:
        rows = rows_of(path, kind, settings.fields, f"{settings.section}.text_field", encoding)
        return _row_passages(rows, str(path), kind, settings, file)
    if kind == "pdf":
        return pdf_passages(path, note=file.notes.append)
    if kind in OFFICE:
        return office_passages(path, kind=kind, encoding=encoding)
    return text_passages(path, kind=kind, encoding=encoding)


def rows_of(
    file: Path, kind: str, fields: tuple[str, ...], setting: str, encoding: str = "utf-8"
) -> Iterator[Row]:
    """The rows of a file of one of the kinds in `ROWS`; of Parquet the columns in `fields`.

    Args:
        fields: None: all that rows of any form may have.
        setting: What names the fields, for hints.
    """
    if kind == "jsonl":
        return jsonl_rows(file, encoding=encoding)
    if kind == "json":
        return json_rows(file, encoding=encoding)
    if kind == "parquet":
        return parquet_rows(file, lambda names: wanted_columns(names, fields, setting, file))
    return delimited_rows(file, encoding=encoding)


def _row_passages(
    rows: Iterator[Row], name: str, kind: str, settings: ReadingSettings, file: FileReport
) -> Iterator[Passage]:
    setting = f"{settings.section}.text_field"
    for row in rows:
        text = row_text(row, settings.fields, setting, table=kind in ("csv", "tsv")).strip()
        if text:
            yield Passage(text, Place(name, kind, row=row.number, end=len(text)))
        else:
            file.blank += 1
