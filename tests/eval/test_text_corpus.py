"""Texts out of files, folders and runs; what is wrong with one is told in one line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from metasynth.errors import RequestError
from metasynth.eval.text_corpus import CorpusLayout, read_corpus
from metasynth.sources.lines import MAX_LINE_BYTES
from tests.raising import raises

ROWS = [
    {"text": "one text", "topic": "law", "persona": "a judge"},
    {"messages": [{"role": "user", "content": "why?"}, {"role": "assistant", "content": "so"}]},
    {"prompt": "two and two", "completion": "four"},
    {"prompt": [{"role": "user", "content": "ask"}], "completion": None, "text": None},
]
TEXTS = ["one text", "why?\n\nso", "two and two\n\nfour", "ask"]


def lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "ROWS.JSONL"])
def test_rows_of_every_shape(tmp_path: Path, name: str) -> None:
    corpus = read_corpus(write(tmp_path / name, b"\xef\xbb\xbf" + lines(ROWS) + b"\n"))
    assert corpus.texts == TEXTS
    assert corpus.name.lower() == "rows"
    first = corpus.documents[0]
    assert (first.topic, first.persona) == ("law", "a judge")
    assert first.place.endswith("line 1")


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([{"text": "a b", "topic": "x", "more": 1}] * 3), path)
    corpus = read_corpus(path)
    assert corpus.texts == ["a b"] * 3
    assert corpus.documents[2].topic == "x"
    with raises(RequestError, "missing_field"):
        read_corpus(path, CorpusLayout(("body",)))


def test_text_files_by_line_paragraph_and_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "some.txt", b"one\ntwo\n\n\nthree\r\nfour")
    assert read_corpus(path).texts == ["one", "two", "three", "four"]
    assert read_corpus(path).blank == 2
    found = read_corpus(path, CorpusLayout(split="paragraph"))
    assert found.texts == ["one\ntwo", "three\r\nfour"]
    assert found.documents[1].place.endswith("line 5")
    assert read_corpus(path, CorpusLayout(split="file")).texts == ["one\ntwo\n\n\nthree\r\nfour"]


def test_a_folder_is_all_of_its_files_and_a_run_its_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    write(folder / "b.txt", b"whole\nfile")
    write(folder / "deep" / "a.jsonl.gz", lines(ROWS[:1]))
    write(folder / "README.md", b"about it")
    write(folder / "picture.png", b"\x89PNG")
    corpus = read_corpus(folder)
    assert corpus.texts == ["whole\nfile", "one text"]
    assert corpus.name == "books"
    run = tmp_path / "run"
    write(run / "rejected.jsonl", lines(ROWS))
    write(run / "run.yaml", b"identity: x")
    with raises(RequestError, "no_corpus"):
        read_corpus(run)
    write(run / "corpus.jsonl", lines(ROWS[:2]))
    assert read_corpus(run).texts == TEXTS[:2]


def test_markdown_in_a_folder_is_text_and_beside_rows_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "tea"
    write(folder / "README.md", b"about it")
    write(folder / "flush.md", b"two leaves and a bud")
    write(folder / "pruning.rst", b"every third row")
    assert read_corpus(folder).texts == ["two leaves and a bud", "every third row"]
    write(folder / "rows.jsonl", lines(ROWS[:1]))
    assert read_corpus(folder).texts == ["one text"]


def test_fields_are_tried_in_order_and_labels_have_names(tmp_path: Path) -> None:
    rows = [{"answer": "a", "focus": "x"}, {"output": ["b", "c"], "answer": "no"}]
    path = write(tmp_path / "x.jsonl", lines(rows))
    corpus = read_corpus(path, CorpusLayout(("output", "answer"), topic="focus"))
    assert corpus.texts == ["a", "b\n\nc"]
    assert corpus.documents[0].topic == "x"


def test_short_and_blank_texts_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", lines([{"text": t} for t in ("a b c", "a", " ", "d e f")]))
    corpus = read_corpus(path, CorpusLayout(min_words=2))
    assert corpus.texts == ["a b c", "d e f"]
    assert (corpus.blank, corpus.short) == (1, 1)


def test_half_a_surrogate_pair_does_not_go_further(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path / "x.jsonl", b'{"text": "a \\ud83d b"}\n'))
    assert corpus.texts[0].encode() == "a \ufffd b".encode()


@pytest.mark.parametrize(
    ("name", "content", "code", "where"),
    [
        ("x.jsonl", b"", "no_text", "x.jsonl"),
        ("x.jsonl", lines([{"text": " "}, {"text": None}]), "no_text", "2 rows"),
        ("x.jsonl", b'{"text": "a"}\nno json\n', "not_json", "x.jsonl, line 2"),
        ("x.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "not_utf8", "x.jsonl, line 2"),
        ("x.jsonl", b"[1]\n", "not_an_object", "line 1"),
        ("x.jsonl", b'{"text": 7}\n', "not_text", "line 1"),
        ("x.jsonl", b'{"body": "a"}\n', "missing_field", "line 1: no text in field 'text'"),
        ("x.jsonl", b"[" * 100_000 + b"\n", "not_json", "line 1"),
        ("x.txt", b"a\n\xff\n", "not_utf8", "x.txt, line 2"),
        ("x.txt", b"", "no_text", "x.txt"),
        ("x.parquet", b"PAR1", "not_parquet", "x.parquet"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, name: str, content: bytes, code: str, where: str
) -> None:
    with raises(RequestError, code, where):
        read_corpus(write(tmp_path / name, content))


def test_a_line_of_fifty_megabytes_is_refused_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "a"}\n{"text": "')
        file.seek(50 * 2**20)
        file.write(b'"}\n')
    with raises(RequestError, "long_line", "line 2"):
        read_corpus(path)
    assert MAX_LINE_BYTES == 16 * 2**20


def test_damaged_files_and_missing_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl.gz", lines(ROWS) * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with raises(RequestError, "damaged_file"):
        read_corpus(path)
    with raises(RequestError, "missing_file"):
        read_corpus(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with raises(RequestError, "no_files"):
        read_corpus(tmp_path / "empty")
