"""Seeds, measures and students read a file alike."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from metasynth.config.run import SeedsConfig
from metasynth.errors import RequestError
from metasynth.eval.text_corpus import read_corpus
from metasynth.records.seeds import load_seeds
from metasynth.student.rows import BadRow, read_rows

ROWS: list[dict[str, Any]] = [{"text": "Röst 咖啡"}, {"text": None}, {"text": "two"}]
CHATS: list[dict[str, Any]] = [
    {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
    {"instruction": "Add.", "input": "1 and 2", "output": "3"},
]
NAMES = ["a.jsonl", "a.ndjson", "a.json", "a.parquet", "a.csv", "a.tsv"]


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif file.suffix == ".json":
        file.write_text(json.dumps(rows, indent=2), encoding="utf-16")
    elif file.suffix in (".csv", ".tsv"):
        with file.open("w", newline="", encoding="utf-8-sig") as table:
            delimiter = "\t" if file.suffix == ".tsv" else ","
            writer = csv.DictWriter(table, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    else:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file.write_text("".join(lines), encoding="utf-8-sig")
    return file


def seeds_of(file: Path) -> list[str]:
    seeds = load_seeds(SeedsConfig(documents=str(file)), random_seed=0)
    return [seed.text for seed in seeds]


def answers_of(file: Path) -> list[str]:
    rows = [row for row in read_rows(file) if not isinstance(row, BadRow)]
    turns = ([row.text] if row.text else [one.content for one in row.messages] for row in rows)
    return ["\n\n".join(parts) for parts in turns if any(parts)]


@pytest.mark.parametrize("name", NAMES)
def test_rows_with_a_null_among_them(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, ROWS)
    corpus = read_corpus(file)
    assert seeds_of(file) == corpus.texts == answers_of(file) == ["Röst 咖啡", "two"]
    assert corpus.blank == 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_rows_of_other_families(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, CHATS)
    assert seeds_of(file) == read_corpus(file).texts
    assert [text.replace("\n\n", "|") for text in answers_of(file)] == [
        "Why?|So.",
        "Add.|1 and 2|3",
    ]


def test_a_dangling_link_and_a_pipe(tmp_path: Path) -> None:
    import os

    link, pipe = tmp_path / "gone.jsonl", tmp_path / "pipe.jsonl"
    link.symlink_to(tmp_path / "nowhere")
    os.mkfifo(pipe)
    for file in (link, pipe):
        for read in (seeds_of, answers_of, read_corpus):
            with pytest.raises(RequestError) as raised:
                read(file)
            assert raised.value.code == "unreadable_file"
    write(tmp_path / "a.jsonl", ROWS)
    assert seeds_of(tmp_path) == read_corpus(tmp_path).texts
    assert [one.path for one in read_corpus(tmp_path).left_out] == [link, pipe]
