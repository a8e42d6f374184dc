"""A mix for continued pre-training: runs and files of the user, by tokens, in one file."""

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from metasynth.errors import RequestError
from metasynth.eval.text_corpus import CorpusLayout, read_corpus
from metasynth.randomness import generator
from metasynth.records.conversation import plain_form
from metasynth.records.documents import corpus_file
from metasynth.records.mixing import Piece, mixed, most_tokens, normalised, packed, taken
from metasynth.records.record import Record, read_records
from metasynth.records.shape import Columns, Format, Row
from metasynth.records.tables import check_free, new_file, write_rows

from .tokenizer import TextTokenizer

Form = Literal["auto", "template", "plain"]
_AT_ONCE = 256  # texts that are encoded together
_PACKED: Columns = {"input_ids": ["token"], "seq_lengths": ["int"], "documents": ["string"]}
_UNPACKED: Columns = {"text": "string", "source": "string", "id": "string", "tokens": "int"}


@dataclass(frozen=True)
class MixSettings:
    """How a mix is made.

    Attributes:
        shares: Of the sources, by tokens.
        tokens: Of the whole; None: as many as the shares allow.
        length: Of a packed sequence in tokens; None: a row a text.
        form: Instructions by the tokenizer's chat template, in plain form, or by the template where
            there is one.
        field: Of rows that are no records; None: `text` and what else `metasynth eval` finds.
    """

    shares: tuple[Fraction, ...]
    tokens: int | None = None
    length: int | None = 2048
    form: Form = "auto"
    field: str | None = None
    seed: int = 0


class Text(NamedTuple):
    """A text of a source, rendered."""

    id: str
    text: str


class Mixed(NamedTuple):
    """What was written: rows, and what the note beside it says."""

    rows: int
    note: Mapping[str, Any]
    note_path: Path


def write_mix(
    path: Path,
    sources: Mapping[str, Path],
    tokenizer: TextTokenizer,
    settings: MixSettings,
    *,
    target: Format,
    force: bool = False,
) -> Mixed:
    """Write texts of the sources in the shares that were asked for, and what they are beside them.

    Args:
        sources: Run directories, files of records, or what `metasynth eval` reads, by their names.

    Raises:
        RequestError: A source cannot be read or has too few tokens, or the file cannot be written.
        MetaSynthError: A file of records has a line that is none.
    """
    note_path = path.with_suffix(".json")
    for file in (path, note_path):
        check_free(file, force=force)
    shares = normalised(settings.shares)
    read = {name: _texts(one, tokenizer, settings) for name, one in sources.items()}
    groups = _groups(read, shares, tokenizer, settings)
    pieces = mixed(groups.values(), settings.seed)
    note = _note(groups, read, shares, tokenizer, settings)
    columns = _UNPACKED if settings.length is None else _PACKED
    with ExitStack() as files:
        beside = files.enter_context(new_file(note_path, force=force))
        partial = files.enter_context(new_file(path, force=force))
        rows = write_rows(partial, _rows(pieces, settings.length), columns, target)
        note["rows"] = rows
        note["sha256"] = hashlib.sha256(partial.read_bytes()).hexdigest()
        beside.write_text(json.dumps(note, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Mixed(rows, note, note_path)


def _groups(
    read: Mapping[str, Sequence[Text]],
    shares: Sequence[Fraction],
    tokenizer: TextTokenizer,
    settings: MixSettings,
) -> dict[str, list[Piece]]:
    """What is taken of each source; without a number of tokens all of all is encoded."""
    drawn = {name: _drawn(texts, name, settings.seed) for name, texts in read.items()}
    pieces: dict[str, Iterable[Piece]] = {
        name: _encoded(texts, name, tokenizer) for name, texts in drawn.items()
    }
    whole = settings.tokens
    if whole is None:
        pieces = {name: list(found) for name, found in pieces.items()}
        whole = most_tokens([_count(found) for found in pieces.values()], shares)
    groups = {}
    for (name, found), share in zip(pieces.items(), shares, strict=True):
        quota = int(whole * share)
        groups[name] = taken(found, quota)
        exhausted = len(groups[name]) == len(read[name])
        if exhausted and (there := _count(groups[name])) < quota:
            raise RequestError(
                f"{name}: {there:,} tokens, and a share of {float(share):.3g} of {whole:,} needs "
                f"{quota:,}",
                hint=f"--tokens {int(there / share)} at most, or more texts",
                code="too_few_tokens",
            )
        if not groups[name]:
            raise RequestError(
                f"{name}: a share of {float(share):.3g} of {whole:,} tokens is {quota:,}, "
                "less than half of its first text",
                hint="more --tokens or another --seed; without --tokens, more of the other texts",
                code="empty_share",
            )
    return groups


def _texts(path: Path, tokenizer: TextTokenizer, settings: MixSettings) -> list[Text]:
    """The texts of a source, in its order."""
    records = corpus_file(str(path))
    if records is not None:
        found = [_of_record(one, tokenizer, settings.form) for one in read_records(records)]
        if not found:
            raise RequestError(f"{path}: the run has no accepted record", code="empty_corpus")
        return found
    layout = CorpusLayout(fields=(settings.field,) if settings.field else ())
    documents = read_corpus(path, layout).documents
    return [Text(str(number), one.text) for number, one in enumerate(documents, start=1)]


def _of_record(record: Record, tokenizer: TextTokenizer, form: Form) -> Text:
    if record.messages is None:
        return Text(record.id, record.text or "")
    by_template = form == "template" or (form == "auto" and tokenizer.has_template)
    rendered = tokenizer.rendered if by_template else plain_form
    return Text(record.id, rendered(record.messages))


def _drawn(texts: Sequence[Text], name: str, seed: int) -> list[Text]:
    return generator(seed, "mix", name).sample(texts, len(texts))


def _encoded(texts: Iterable[Text], source: str, tokenizer: TextTokenizer) -> Iterator[Piece]:
    left = iter(texts)
    while some := list(islice(left, _AT_ONCE)):
        found = tokenizer.encoded([one.text for one in some])
        for one, tokens in zip(some, found, strict=True):
            yield Piece(source, one.id, one.text, array("i", tokens))


def _count(pieces: Iterable[Piece]) -> int:
    return sum(len(piece.tokens) for piece in pieces)


def _rows(pieces: Sequence[Piece], length: int | None) -> Iterator[Row]:
    if length is None:
        for one in pieces:
            yield {"text": one.text, "source": one.source, "id": one.id, "tokens": len(one.tokens)}
        return
    for row in packed(pieces, length):
        yield dict(zip(_PACKED, row, strict=True))


def _note(
    groups: Mapping[str, Sequence[Piece]],
    read: Mapping[str, Sequence[Text]],
    shares: Sequence[Fraction],
    tokenizer: TextTokenizer,
    settings: MixSettings,
) -> dict[str, Any]:
    whole = sum(map(_count, groups.values()))
    return {
        "tokens": whole,
        "sources": {
            name: {
                "asked_share": float(share),
                "share": _count(found) / whole if whole else 0.0,
                "tokens": _count(found),
                "documents": len(found),
                "documents_there": len(read[name]),
            }
            for (name, found), share in zip(groups.items(), shares, strict=True)
        },
        "tokenizer": tokenizer.name,
        "length": settings.length,
        "begin_token": tokenizer.begin,
        "end_token": tokenizer.end,
        "instructions": settings.form,
        "chat_template": tokenizer.has_template,
        "loss": "on all tokens",
        "seed": settings.seed,
    }
