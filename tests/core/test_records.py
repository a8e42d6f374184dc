"""Records: what is written is what is read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.errors import MetaSynthError
from metasynth.records.record import CheckerResult, Message, Novelty, Record, read_records
from tests.raising import raises

TEXTS = st.text(max_size=60)
RECORDS = st.builds(
    Record,
    id=st.text(min_size=1, max_size=8),
    text=st.none() | TEXTS,
    messages=st.none()
    | st.lists(st.builds(Message, role=st.just("user"), content=TEXTS), max_size=2),
    topic=TEXTS,
    keywords=st.lists(TEXTS, max_size=3),
    novelty=st.none() | st.builds(Novelty, distance=st.none() | st.floats(0, 2)),
    checker=st.none() | st.builds(CheckerResult, passed=st.sampled_from([True, False, None])),
    reason=st.none() | TEXTS,
)


@given(record=RECORDS)
def test_a_line_read_back_is_the_record(record: Record) -> None:
    line = record.to_line()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert Record.model_validate_json(line) == record


@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_can_be_written(text: str) -> None:
    broken = f"a{text}\ud800"
    record = Record(id="r", text=broken, reason=broken)
    assert Record.model_validate_json(record.to_line()) == record
    assert record.text == f"a{text}\ufffd"


def test_a_record_that_nobody_could_check_is_read_back() -> None:
    record = Record(id="r", text="x", checker=CheckerResult(passed=None, detail="no problem found"))
    assert Record.model_validate_json(record.to_line()) == record


def test_the_body_of_an_instruction_is_its_messages() -> None:
    turns = [Message(role="user", content="one"), Message(role="assistant", content="two")]
    assert Record(id="r", kind="instruction", messages=turns).body == "one\n\ntwo"
    assert Record(id="r", text="").body == ""


def test_a_missing_file_holds_no_records(tmp_path: Path) -> None:
    assert list(read_records(tmp_path / "corpus.jsonl")) == []


def test_records_are_read_one_line_each(tmp_path: Path) -> None:
    records = [Record(id=str(n), text=f"line one\u2028line two\x85\r{n}") for n in range(3)]
    path = tmp_path / "corpus.jsonl"
    path.write_bytes("".join(record.to_line() for record in records).encode())
    assert list(read_records(path)) == records


@pytest.mark.parametrize("line", [b"{}\n", b"not json\n", b'{"id": 3}\n', b"\xff\n", b"\n"])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(Record(id="1", text="x").to_line().encode() + line)
    with raises(MetaSynthError, "bad_record"):
        list(read_records(path))


def test_an_unknown_field_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "1", "txt": "x"}\n', encoding="utf-8")
    with raises(MetaSynthError, "bad_record"):
        list(read_records(path))
