"""The journal: whole lines on the disk, half ones removed, damage named."""

from pathlib import Path

import pytest

from metasynth.errors import MetaSynthError, RequestError
from metasynth.memory.journal import Journal
from tests.raising import raises


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    with Journal(path) as journal:
        journal.append({"id": "a", "text": "één"})
        journal.append({"id": "b"})
        assert [entry["id"] for entry in journal.entries()] == ["a", "b"]
    with Journal(path) as journal:
        journal.append({"id": "c"})
        assert list(journal.entries()) == [{"id": "a", "text": "één"}, {"id": "b"}, {"id": "c"}]


def test_half_a_line_is_removed_and_the_next_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"id": "a"}\n{"id": "b"}', encoding="utf-8")
    with Journal(path) as journal:
        journal.append({"id": "c"})
        assert [entry["id"] for entry in journal.entries()] == ["a", "c"]


@pytest.mark.parametrize("line", ["{]", "[1]", "\udcff"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"id": "a"}\n' + line.encode("utf-8", "surrogateescape") + b"\n")
    with Journal(path) as journal, raises(MetaSynthError, "bad_line"):
        list(journal.entries())


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with raises(RequestError, "not_writable"):
        Journal(tmp_path / "file" / "journal.jsonl")
