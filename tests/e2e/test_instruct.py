"""From documents to instructions to files for a trainer, with the run files of `examples/`."""

import shutil
from pathlib import Path

import pytest
from datasets import load_dataset  # type: ignore[import-untyped]

from metasynth.records.record import read_records
from tests.commands import FINANCE, calls_in, corpus_of, fast_embedder, metasynth, settings
from tests.instruct_runs import InstructTeacher, consult, submit
from tests.openai_server import OpenAIServer
from tests.run_folders import records, write_run

SHORT = ([consult("document_transformation", "document-1")], [submit("question-1")])


class Picky(InstructTeacher):
    """The critic has every second answer written again."""

    def __init__(self) -> None:
        asked = iter(range(10**6))
        critic = {
            "Answer Critic Expert": lambda _, rng: "Good." if next(asked) % 2 else "Revise: no."
        }
        super().__init__(SHORT, critic)


def test_the_finance_run_file_makes_instructions_with_32_chains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file as it is, beside the one that it extends, after a run of documents."""
    shutil.copytree(FINANCE.parent, tmp_path / "examples")
    documents = records(16, words=120)
    write_run(tmp_path / "runs" / "finance", documents, calls=False, name="finance")
    out = tmp_path / "runs" / "finance-instruct"
    with OpenAIServer(Picky(), latency_s=0.02) as server:
        quick = {"memory__embedder": fast_embedder(), "gate__min_distance": 0.02}
        changes = settings(teacher__base_url=server.base_url, budget__records=32, **quick)
        file = tmp_path / "examples" / "finance-instruct.yaml"
        assert metasynth("run", file, "--out", out, "--quiet", *changes) == 0
        assert len(server.requests) == calls_in(out)
    accepted = corpus_of(out)
    rejected = list(read_records(out / "rejected.jsonl"))
    assert len(accepted) == 32
    begun = {one.id.split("-")[1] for one in (*accepted, *rejected)}
    assert len(begun) == 32  # a chain each, at once
    known = {one.id for one in documents}
    for record in accepted:
        assert record.parent_ids[0] in known
        assert record.experts[:3] == ["document_transformation", "answer_expert", "answer_critic"]
    assert {one.by for record in accepted for one in record.rejected_answers or []} == {
        "answer_critic"
    }
    capsys.readouterr()
    assert metasynth("export", out, tmp_path / "data") == 0
    assert "32 rows of chat" in capsys.readouterr().out
    cache = str(tmp_path / "cache")
    pairs = load_dataset(str(tmp_path / "data"), "preferences", split="train", cache_dir=cache)
    assert len(pairs) > 0
    card = (tmp_path / "data" / "README.md").read_text(encoding="utf-8")
    assert "the accepted records of the run `finance`, graph `document`" in card


def test_the_machine_is_shown_as_it_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    assert metasynth("graph", "instruct") == 0
    shown = capsys.readouterr().out
    for node in ("brief", "conductor", "consult", "gate", "answer", "review", "admit", "reject"):
        assert f"\t{node}(" in shown
