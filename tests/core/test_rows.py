"""Texts with their places, out of every kind of file; what is wrong is told with its line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from metasynth.errors import ConfigError
from metasynth.sources.texts import placed_texts

ROWS: list[dict[str, Any]] = [
    {"question": "How many?", "answer": "4", "tests": ["a == 1", " ", "b == 2"]},
    {"question": None, "answer": "5", "tests": []},
    {"question": " ", "answer": "é", "tests": None},
]
FIELDS = ("question", "answer", "tests")
EXPECTED = [
    ("How many?", "1, question"),
    ("4", "1, answer"),
    ("a == 1", "1, tests"),
    ("b == 2", "1, tests"),
    ("5", "2, answer"),
    ("é", "3, answer"),
]


def jsonl(rows: list[Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def found(file: Path, *fields: str) -> list[tuple[str, str]]:
    texts = list(placed_texts(file, fields or FIELDS, setting="the_fields"))
    assert all(place.startswith(str(file)) for _, place in texts)
    return [(text, place.removeprefix(f"{file}, ").split(maxsplit=1)[1]) for text, place in texts]


def refusal(file: Path, *fields: str) -> str:
    with pytest.raises(ConfigError) as caught:
        found(file, *fields)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_same_rows_come_out_of_every_kind_of_table(tmp_path: Path) -> None:
    plain, packed, parquet = (tmp_path / f"t.{end}" for end in ("jsonl", "jsonl.gz", "parquet"))
    plain.write_bytes(jsonl(ROWS))
    packed.write_bytes(gzip.compress(jsonl(ROWS), mtime=0))
    pq.write_table(pa.Table.from_pylist(ROWS), parquet)
    assert found(plain) == found(packed) == found(parquet) == EXPECTED


def test_a_line_of_text_is_a_text(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\n\n  \ntwo\x0chalves\n")
    assert [text.strip() for text, _ in placed_texts(file, FIELDS, setting="x")] == [
        "one",
        "two\x0chalves",
    ]
    assert [place for _, place in placed_texts(file, FIELDS, setting="x")] == [
        f"{file}, line 1",
        f"{file}, line 4",
    ]


def test_fields_that_a_row_lacks_are_no_error_unless_it_lacks_all(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_bytes(jsonl([{"text": "a"}, {"prompt": "b"}]))
    assert found(file, "text", "prompt") == [("a", "1, text"), ("b", "2, prompt")]
    assert "line 2: no text in field 'text'; it has: prompt" in refusal(file, "text", "code")
    pq.write_table(pa.Table.from_pylist([{"body": "a"}]), tmp_path / "t.parquet")
    message = refusal(tmp_path / "t.parquet", "text", "prompt")
    assert message.endswith("no column 'text' or 'prompt'; it has: body")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.jsonl", b'{"question": 4}', "line 1: field 'question' holds no text but int"),
        ("t.jsonl", b'{"question": ["a", 4]}', "field 'question' holds no text but int"),
        ("t.jsonl", b'["a"]', "line 1: no text in field 'question'; it has: list"),
        ("t.jsonl", b"\n{", "line 2: not JSON"),
        ("t.jsonl.gz", gzip.compress(jsonl(ROWS), mtime=0)[:40], "a damaged gzip file"),
        ("t.jsonl.gz", b"not gzip", "a damaged gzip file"),
        ("t.parquet", b"not Parquet", "not a Parquet file"),
        ("t.txt", b"\xff\xfe\xfd", "cannot be read as UTF-8"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert said in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.parquet", "t.txt"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in refusal(tmp_path / name)
