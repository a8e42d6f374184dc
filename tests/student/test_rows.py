"""Rows of a file: every shape is read, and what is no row is named with its line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.errors import RequestError
from metasynth.student import rows as module
from metasynth.student.rows import BadRow, BadRowError, RowFile, StudentRow, make_row, read_rows
from tests.raising import raises

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One and one?"},
    {"role": "assistant", "content": "Two."},
]


def written(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(one if isinstance(one, bytes) else one.encode() for one in lines))
    return path


def test_each_shape_gives_a_prompt_and_an_answer() -> None:
    text = make_row({"text": "a story"})
    assert (text.prompt, text.answer, text.messages) == ((), "a story", ())
    pair = make_row({"prompt": "One and one?", "completion": "Two."})
    assert [(one.role, one.content) for one in pair.prompt] == [("user", "One and one?")]
    assert pair.answer == "Two."
    chat = make_row({"messages": CHAT})
    assert [one.role for one in chat.prompt] == ["system", "user"]
    assert chat.answer == "Two."
    parts = make_row({"prompt": CHAT[:2], "completion": CHAT[2:]})
    assert parts.messages == chat.messages


def test_a_conversation_that_ends_with_a_question_is_all_prompt() -> None:
    row = make_row({"messages": [*CHAT, {"role": "user", "content": "And two?"}]})
    assert len(row.prompt) == 4
    assert row.answer == ""
    assert make_row({"prompt": "x"}).answer == ""
    assert make_row({"prompt": "x", "completion": None}).answer == ""


def test_content_may_come_in_parts() -> None:
    content = [{"type": "text", "text": "One "}, {"type": "text", "text": "and one?"}]
    row = make_row({"messages": [{"role": "user", "content": content}]})
    assert row.prompt[0].content == "One and one?"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1], "no JSON object but a list"),
        ({}, "missing field: neither 'text' nor 'prompt' nor 'messages', but nothing"),
        ({"question": "x"}, "but 'question'"),
        ({"text": None}, "missing field"),
        ({"text": 3}, "'text' holds no text but a number"),
        ({"prompt": 3}, "'prompt' holds no messages but a number"),
        ({"messages": []}, "'messages' is empty"),
        ({"messages": "hello"}, "'messages' holds no messages but text"),
        ({"messages": [{"role": "oracle", "content": "x"}]}, "message 1: no role of"),
        ({"messages": [{"role": "user"}]}, "message 1 holds no text but nothing"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "message 1 holds no text but a list",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_said(value: Any, reason: str) -> None:
    with pytest.raises(BadRowError, match=reason.replace("(", r"\(")):
        make_row(value)


def test_bad_lines_are_named_and_the_others_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        b'\xef\xbb\xbf{"text": "first"}\n',
        "\n",
        "not json\n",
        b'{"text": "\xff"}\n',
        '{"prompt": "x"}\r\n',
        '{"other": 1}\n',
        f'{{"text": {"9" * 5000}}}\n',
        "[" * 100_000 + "\n",
        '{"text": "the last, without a line break"}',
    )
    found = [
        (one.line, one.reason if isinstance(one, BadRow) else one.answer) for one in read_rows(path)
    ]
    assert found[:4] == [(1, "first"), (3, "not JSON"), (4, "not UTF-8"), (5, "")]
    assert found[4][0] == 6 and found[4][1].startswith("missing field")
    assert found[5:] == [
        (7, "not JSON"),
        (8, "not JSON"),
        (9, "the last, without a line break"),
    ]


def test_an_endless_line_is_skipped_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 100)
    long = json.dumps({"text": "x" * 5000}) + "\n"
    rows = list(read_rows(written(tmp_path, '{"text": "a"}\n', long, '{"text": "b"}\n')))
    assert [row.line for row in rows] == [1, 2, 3]
    assert isinstance(rows[1], BadRow) and rows[1].reason.startswith("longer than")


def test_a_file_may_be_gzipped_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    lines = [json.dumps({"text": f"number {n} of some"}) + "\n" for n in range(2000)]
    whole = gzip.compress("".join(lines).encode())
    path.write_bytes(whole)
    assert sum(isinstance(row, StudentRow) for row in RowFile(path)) == 2000
    path.write_bytes(whole[: len(whole) // 2])
    with raises(RequestError, "damaged_file", path):
        list(RowFile(path))
    path.write_text("no gzip at all")
    with raises(RequestError, "damaged_file", path, "line 0"):
        list(RowFile(path))
    with raises(RequestError, "unreadable_file", "missing.jsonl"):
        list(RowFile(tmp_path / "missing.jsonl"))


def test_rows_without_an_id_have_one_that_does_not_depend_on_their_place(tmp_path: Path) -> None:
    path = written(tmp_path, '{"text": "a"}\n{"text": "b"}\n{"id": 7, "text": "a"}\n')
    first = [row.id for row in RowFile(path) if isinstance(row, StudentRow)]
    path = written(tmp_path, '{"text": "b"}\n{"id": "7", "text": "a"}\n{"text": "a"}\n')
    second = [row.id for row in RowFile(path) if isinstance(row, StudentRow)]
    assert first == [second[2], second[0], second[1]]
    assert first[2] == "7"
    assert first[0].startswith("row-")


def test_half_a_surrogate_pair_becomes_a_sign_that_can_be_written() -> None:
    row = make_row(json.loads(r'{"prompt": "\ud800", "completion": "x"}'))
    assert row.prompt[0].content == "\ufffd"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists))
def test_no_value_of_a_field_does_more_than_be_refused(value: Any) -> None:
    for field in ("text", "prompt", "messages", "completion"):
        try:
            row = make_row(
                {"prompt": "x", field: value} if field == "completion" else {field: value}
            )
        except BadRowError as error:
            assert str(error)
        else:
            assert row.id
