"""The main job with the model that the package carries, as `make demo` runs it."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from metasynth.memory.ledger import Ledger
from metasynth.records.record import read_records
from tests.commands import metasynth

ROOT = Path(__file__).parent.parent.parent
DEMO = ROOT / "examples" / "demo.yaml"


def command(out: Path, *changes: str) -> list[str]:
    options = [part for change in changes for part in ("--set", change)]
    return ["run", str(DEMO), "--out", str(out), "--quiet", *options]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    assert metasynth(*command(out, "budget.records=6", "concurrency=4")) == 0
    return out


def test_every_accepted_record_is_checked_and_has_its_lineage(demo: Path) -> None:
    records = list(read_records(demo / "corpus.jsonl"))
    assert len(records) == len({record.id for record in records}) == 6
    for record in records:
        assert record.checker is not None
        assert record.checker.passed
        assert {"seed_keyword_extraction", "domain_expert", "summarizer"} <= set(record.experts)
        assert record.topic
        assert record.summary
        assert record.seed_ids
        assert record.generation.calls >= 8


def test_the_chat_template_and_the_tools_fit_the_weights(demo: Path) -> None:
    """The conductor was trained on traces of this graph: it knows the tools and the references."""
    with closing(Ledger(demo / "ledger.sqlite")) as ledger:
        records = [*read_records(demo / "corpus.jsonl"), *read_records(demo / "rejected.jsonl")]
        turns = [
            call.response
            for record in records
            for call in ledger.calls_of(record.id)
            if call.agent == "conductor"
        ]
    calls = [call for turn in turns for call in turn.tool_calls]
    assert len(turns) >= 30
    assert sum(not turn.tool_calls for turn in turns) == 0
    known = {"consult", "set_seeds", "submit", "give_up"}
    assert {call["name"] for call in calls} <= known
    consulted = [call["args"]["expert"] for call in calls if call["name"] == "consult"]
    assert consulted.count("domain_expert") >= 6
    assert sum(call["name"] == "give_up" for call in calls) <= len(calls) / 20


@pytest.mark.usefixtures("one_thread")
def test_one_chain_repeats_byte_for_byte(tmp_path: Path) -> None:
    """In a fresh process too, whose sets of strings have another order."""
    changes = ("budget.records=1", "concurrency=1")
    assert metasynth(*command(tmp_path / "a", *changes)) == 0
    done = subprocess.run(
        [sys.executable, "-m", "metasynth", *command(tmp_path / "b", *changes)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 records accepted" in done.stdout
    first, second = ((tmp_path / name / "corpus.jsonl").read_bytes() for name in ("a", "b"))
    assert first == second
    assert json.loads(first)["text"]
