"""A whole run on each form that answers really have: its records are those of a plain endpoint."""

import json
from pathlib import Path

import pytest

from metasynth.memory.ledger import Ledger
from metasynth.records.record import Record
from tests.bends.answers import FAMILIES, THINKING, THOUGHT, in_turn
from tests.bends.bend import Bend
from tests.commands import corpus_of, metasynth, small_run
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

_MARKS = ("<", "[THINK", "◁", "```", THOUGHT)
_RECORDS = 3


def written(out: Path, *bends: Bend) -> list[Record]:
    """The records of a small run."""
    with OpenAIServer(Teacher(), bends=bends) as server:
        limits = {"budget__records": _RECORDS, "budget__calls": 60, "concurrency": 1}
        assert metasynth(*small_run(server.base_url, **limits), "--out", out) == 0
    return corpus_of(out)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """What comes of an endpoint without quirks."""
    return written(tmp_path_factory.mktemp("plain") / "run")


@pytest.mark.parametrize("family", FAMILIES)
def test_no_form_of_an_answer_changes_a_record(
    tmp_path: Path, plain: list[Record], family: str
) -> None:
    records = written(tmp_path / "run", in_turn(family, FAMILIES[family]))
    for record in records:
        shown = [str(record.text), record.topic, record.summary, *record.keywords]
        assert not any(mark in part for mark in _MARKS for part in shown), shown
        assert record.reasoning in (None, [THOUGHT])
    assert any(record.reasoning for record in records) == (family == "thinking")
    assert sum(record.generation.calls for record in records) == sum(
        record.generation.calls for record in plain
    )
    with Ledger(tmp_path / "run" / "ledger.sqlite", read_only=True) as ledger:
        calls = [call for record in records for call in ledger.calls_of(record.id)]
        assert 0 < ledger.totals().tokens < 300_000
    assert len(calls) >= len(FAMILIES[family])
    for call in calls:
        assert 0 < call.tokens_in < 10_000
        assert 0 < call.tokens_out < 10_000
        estimated = "usage_estimated" in call.response.response_metadata
        assert estimated == (family == "senseless-usage")


def test_thinking_is_exported_where_it_is_asked_for(tmp_path: Path) -> None:
    out, path = tmp_path / "run", tmp_path / "rows.jsonl"
    written(out, THINKING[0])
    assert metasynth("export", out, path, "--to", "reasoning") == 0
    rows = [json.loads(line)["messages"] for line in path.read_text().splitlines()]
    assert [row[-1]["content"] for row in rows] == [record.text for record in corpus_of(out)]
    assert {row[-1]["reasoning_content"] for row in rows} == {THOUGHT}
    assert not any("reasoning_content" in row[0] for row in rows)
