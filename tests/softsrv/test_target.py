"""The target sample: what is read, what is left out and said so, what is held out."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from metasynth.config.softsrv import TargetConfig, TrainingConfig
from metasynth.errors import ConfigError
from metasynth.softsrv.target import TargetRow, load_target, read_target, split_hash, split_target
from tests.raising import raises


def texts_of(file: Path, **settings: Any) -> list[str]:
    return [row.text for row in load_target(TargetConfig(file=str(file), **settings))]


def refused(code: str, file: Path, *facts: str) -> None:
    with raises(ConfigError, code, file, *facts):
        texts_of(file)


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def rows_of(count: int) -> list[TargetRow]:
    return [TargetRow.of(f"question {number}") for number in range(count)]


class TestReading:
    def test_every_format_gives_the_same_rows(self, tmp_path: Path) -> None:
        rows = [{"question": "How many?"}, {"question": "How much?"}]
        files = [tmp_path / name for name in ("a.jsonl", "b.jsonl.gz", "c.parquet", "d.txt")]
        files[0].write_bytes(jsonl(rows))
        files[1].write_bytes(gzip.compress(jsonl(rows)))
        pq.write_table(pa.Table.from_pylist(rows), files[2])
        files[3].write_text("How many?\n\nHow much?\n")
        for file in files:
            assert texts_of(file, field="question") == ["How many?", "How much?"]

    def test_an_id_names_the_text_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "a.txt"
        file.write_text("first\n second \n")
        found = load_target(TargetConfig(file=str(file)))
        assert found[1] == TargetRow.of("second")
        assert found[0].id.startswith("target-")
        assert len(found[0].id) == len("target-") + 10

    def test_rows_left_out_are_counted(self, tmp_path: Path) -> None:
        file = tmp_path / "a.jsonl"
        file.write_bytes(jsonl([{"text": text} for text in ("a", "", "b", " a ", "  ", "a")]))
        sample = read_target(TargetConfig(file=str(file)))
        assert [row.text for row in sample.rows] == ["a", "b"]
        assert sample.notes == (
            "rows left out: 2 without text",
            "rows left out: 2 that repeat another",
        )

    def test_a_limit_takes_the_first_distinct_rows(self, tmp_path: Path) -> None:
        file = tmp_path / "a.txt"
        file.write_text("a\na\nb\nc\n")
        assert texts_of(file, limit=2) == ["a", "b"]

    def test_a_line_of_a_text_may_hold_other_separators(self, tmp_path: Path) -> None:
        file = tmp_path / "a.txt"
        file.write_text("one\u2028two\x0cthree\r\nfour", encoding="utf-8")
        assert texts_of(file) == ["one\u2028two\x0cthree", "four"]


class TestRefusals:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        refused("missing_file", tmp_path / "a.jsonl")

    def test_nothing_in_it(self, tmp_path: Path) -> None:
        for name, content in (("a.jsonl", b""), ("b.txt", b" \n\n"), ("c.jsonl", b'{"text":""}')):
            (tmp_path / name).write_bytes(content)
            refused("no_text", tmp_path / name)

    def test_a_row_without_the_field_is_named_with_what_it_has(self, tmp_path: Path) -> None:
        file = tmp_path / "a.jsonl"
        file.write_bytes(jsonl([{"text": "a"}, {"question": "b", "id": 1}]))
        with raises(ConfigError, "missing_field", "line 2", "'text'", "question, id") as caught:
            texts_of(file)
        assert caught.value.hint == "name the field with softsrv.target.field"

    def test_a_damaged_gzip_file(self, tmp_path: Path) -> None:
        file = tmp_path / "a.jsonl.gz"
        whole = gzip.compress(jsonl([{"text": str(number)} for number in range(999)]))
        for content in (b"no gzip", whole[:200], whole[:100] + b"\x00" * 50 + whole[150:]):
            file.write_bytes(content)
            refused("damaged_file", file)

    def test_a_folder(self, tmp_path: Path) -> None:
        refused("unreadable_file", tmp_path)

    def test_too_few_rows(self) -> None:
        with raises(ConfigError, "too_few_rows", "3 distinct"):
            split_target(rows_of(3), TrainingConfig(), seed=0)


class TestSplit:
    @given(count=st.integers(4, 60), share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
    def test_rows_are_parted(self, count: int, share: float, seed: int) -> None:
        rows = rows_of(count)
        split = split_target(rows, TrainingConfig(held_out=share), seed=seed)
        assert sorted(split.train + split.held_out, key=rows.index) == rows
        assert len(split.held_out) == max(2, min(count - 2, round(share * count)))
        assert split.train == sorted(split.train, key=rows.index)

    def test_it_depends_on_the_seed_and_not_on_the_order(self) -> None:
        rows, config = rows_of(50), TrainingConfig()
        held_out = {row.id for row in split_target(rows, config, seed=1).held_out}
        moved = split_target(rows[::-1], config, seed=1)
        assert held_out == {row.id for row in moved.held_out}
        assert held_out != {row.id for row in split_target(rows, config, seed=2).held_out}

    def test_a_hash_names_the_texts_and_their_parts(self) -> None:
        rows = rows_of(20)
        first = split_target(rows, TrainingConfig(), seed=1)
        assert split_hash(first) == split_hash(split_target(rows, TrainingConfig(), seed=1))
        assert split_hash(first) != split_hash(split_target(rows, TrainingConfig(), seed=2))
