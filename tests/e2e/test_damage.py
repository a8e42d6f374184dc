"""What was damaged or taken away between two starts: what can be rebuilt is, and is said."""

import json
from pathlib import Path

import pytest

from tests.commands import corpus_of, metasynth, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher


def test_damaged_files_are_built_again_and_the_corpus_is_what_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        run = [*small_run(server.base_url, budget__records=4, concurrency=1), "--out", str(out)]
        assert metasynth(*run) == 0
        whole = corpus_of(out)
        for name in ("vectors.sqlite", "memory/chroma.sqlite3", "checkpoints.sqlite"):
            path = out / name
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        lines = (out / "corpus.jsonl").read_text().splitlines(keepends=True)
        (out / "corpus.jsonl").write_text("".join(lines[:1] + lines[2:]))
        assert metasynth(*run) == 0, capsys.readouterr().err
    assert {record.id for record in corpus_of(out)} == {record.id for record in whole}
    told = [record.getMessage() for record in caplog.records if "is damaged" in record.getMessage()]
    assert len(told) == 3, told


def test_a_line_taken_out_while_its_thread_is_kept_is_written_again(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        run = [*small_run(server.base_url, budget__records=3, concurrency=1), "--out", str(out)]
        assert metasynth(*run) == 0
        lines = (out / "corpus.jsonl").read_text().splitlines(keepends=True)
        (out / "corpus.jsonl").write_text(lines[0] + lines[2])
        assert metasynth(*run) == 0
    ids = [record.id for record in corpus_of(out)]
    assert sorted(ids) == sorted(json.loads(line)["id"] for line in lines)


def test_copies_of_what_the_model_was_shown_are_no_new_documents(tmp_path: Path) -> None:
    text = "The old mill grinds rye at dawn while the miller counts sacks beside the river. "
    text += " ".join(f"On day {n} the cook bakes {n} loaves for the {n} guests." for n in range(5))
    (tmp_path / "own.jsonl").write_text(json.dumps({"text": text}) + "\n")
    out = tmp_path / "run"
    with OpenAIServer(lambda _: Reply(content=text)) as server:
        run = small_run(
            server.base_url,
            graph="template",
            seeds__keywords="[]",
            seeds__documents=str(tmp_path / "own.jsonl"),
            gate__min_distance=0,
            gate__min_seed_words=0,
            gate__check_language="false",
            budget__records=1,
            budget__calls=6,
            concurrency=1,
        )
        assert metasynth(*run, "--out", out) == 1
    assert not corpus_of(out)
    reasons = [
        json.loads(line)["reason"] for line in (out / "rejected.jsonl").read_text().splitlines()
    ]
    assert reasons and all("overlap" in reason or "repeat" in reason for reason in reasons)
