"""Whole runs with the active node: killed and gone on with, and what a person is told."""

import asyncio
import json
import re
import shutil
import signal
from pathlib import Path

import pytest

from metasynth.records.record import Record, read_records
from tests.commands import Command, calls_in, corpus_of, metasynth, remembered_in, small_run
from tests.e2e.test_kill import Watched, repeated
from tests.openai_server import OpenAIServer
from tests.screened_runs import TEMPLATE, told
from tests.teacher import Teacher
from tests.tiny_lm import save_tiny_lm


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A student with random weights."""
    return f"local:{save_tiny_lm(tmp_path_factory.mktemp('student') / 'tiny')}"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rejected_of(out: Path) -> list[Record]:
    return list(read_records(out / "rejected.jsonl"))


@pytest.mark.parametrize("accept", ["threshold", "best"])
def test_three_kills_lose_no_candidate_and_admit_none_twice(
    tmp_path: Path, tiny: str, accept: str
) -> None:
    # the goal is far enough that the last start before the end still has its four calls to make
    out, chains, goal = tmp_path / "run", 6, 25
    teacher = Watched()
    kept: list[list[str]] = []
    values = {**TEMPLATE, **told(accept=accept, batch=5, keep=2, warmup=3, quantile=0.4)}
    with OpenAIServer(teacher, latency_s=0.01) as server:
        run = small_run(
            server.base_url,
            budget__records=goal,
            concurrency=chains,
            student__model=tiny,
            **values,
        )
        for requests in (4, 5, 4):
            with Command(*run, "--out", out, folder=tmp_path) as command:
                teacher.after(requests, lambda: command.send(signal.SIGKILL))
                assert command.end().status == -signal.SIGKILL
            kept.append([record.id for record in (*corpus_of(out), *rejected_of(out))])
        assert metasynth(*run, "--out", out) == 0
        assert repeated(server.requests) <= 3 * chains
    accepted, rejected = corpus_of(out), rejected_of(out)
    ids = [record.id for record in (*accepted, *rejected)]
    assert len(accepted) == goal
    assert len(ids) == len(set(ids)) == calls_in(out)  # whoever was paid for was decided
    assert all(set(before) <= set(ids) for before in kept)
    assert asyncio.run(remembered_in(out)) == {record.id for record in accepted}
    scores = lines(out / "student" / "scores.jsonl")
    assert len(scores) == len({(each["id"], each["text"]) for each in scores}) == len(ids)
    if accept == "best":
        held = [each["record"] for each in lines(out / "student" / "held.jsonl")]
        assert sorted(each["id"] for each in held) == sorted(ids)  # type: ignore[index]
        chosen = lines(out / "student" / "choices.jsonl")
        assert sorted(id_ for each in chosen for id_ in each["ids"]) == sorted(ids)  # type: ignore[attr-defined]
        assert sum(int(str(each["keep"])) for each in chosen) == goal


def test_a_choice_that_was_cut_off_is_carried_out_as_it_was_made(
    tmp_path: Path, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {**TEMPLATE, **told(accept="best", batch=4, keep=2), "student__model": tiny}
    whole = tmp_path / "whole"
    with OpenAIServer(Teacher()) as server:
        run = small_run(server.base_url, budget__records=4, concurrency=1, **values)
        assert metasynth(*run, "--out", whole) == 0
        expected = ((whole / "corpus.jsonl").read_bytes(), (whole / "rejected.jsonl").read_bytes())
        asked = len(server.requests)
        for accepted, rejected in ((2, 2), (3, 2), (4, 2), (4, 3), (0, 0)):
            cut = tmp_path / f"cut-{accepted}-{rejected}"
            shutil.copytree(whole, cut)
            for name, count in (("corpus", accepted), ("rejected", rejected)):
                path = cut / f"{name}.jsonl"
                path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))
            assert metasynth(*run, "--out", cut) == 0
            found = [(cut / f"{name}.jsonl").read_text() for name in ("corpus", "rejected")]
            for text, before in zip(found, expected, strict=True):
                without_times = re.compile(r'"created_at":"[^"]*"')
                assert without_times.sub("", text) == without_times.sub("", before.decode())
        assert len(server.requests) == asked  # nobody was asked anything again
    assert "place: the 2 highest of every 4 candidates" in capsys.readouterr().out


def test_summary_receipt_and_progress_tell_the_students_part(
    tmp_path: Path, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    values = {**TEMPLATE, **told(accept="threshold", warmup=2, quantile=0.5)}
    with OpenAIServer(Teacher()) as server:
        run = small_run(
            server.base_url, budget__records=5, concurrency=1, student__model=tiny, **values
        )
        assert metasynth(*run, "--out", out) == 0
        summary = capsys.readouterr().out
    count = len(lines(out / "student" / "scores.jsonl"))
    refused = len(rejected_of(out))
    assert refused > 0
    assert f"student         {tiny} by loss_gold: {count} candidates scored" in summary
    scores = sorted(record.student.score for record in corpus_of(out) if record.student)
    assert f"let in          5, median score {scores[2]:.3f}" in summary
    assert f"refused         {refused}, median score" in summary
    assert re.search(r"by              threshold: at least \d+\.\d+ at the end \(quantile", summary)
    assert f"hardest let in  {scores[-1]:.3f} [" in summary
    assert f"easiest let in  {scores[0]:.3f} [" in summary
    assert f"rejected for    student_easy {refused}" in summary
    for record in (rejected_of(out)[0], corpus_of(out)[-1]):
        assert record.student is not None
        assert metasynth("explain", out, record.id) == 0
        receipt = capsys.readouterr().out
        assert f"student      loss_gold {record.student.score:.3f}" in receipt
        if record.reason is not None:
            assert f"rejected, {record.reason}" in receipt
            assert f"held against {record.student.threshold:.3f}" in receipt


def test_what_the_student_cannot_read_is_told_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_tiny_lm(tmp_path / "short", max_position_embeddings=64)
    with OpenAIServer(Teacher()) as server:
        run = small_run(
            server.base_url,
            budget__records=5,
            budget__stall_after=3,
            concurrency=1,
            student__model=f"local:{folder}",
            **{**TEMPLATE, **told(accept="threshold")},
        )
        assert metasynth(*run, "--out", tmp_path / "run") == 1
    summary = capsys.readouterr().out
    assert "rejected for    student_unscored 3" in summary
    assert re.search(r"not scorable    3, the first: .*64", summary)
    assert "0 candidates scored" in summary
    assert all(record.student is None for record in rejected_of(tmp_path / "run"))


def test_a_student_that_cannot_be_loaded_costs_no_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer(Teacher()) as server:
        run = small_run(
            server.base_url,
            student__model=f"local:{tmp_path / 'nowhere'}",
            **{**TEMPLATE, **told(accept="threshold")},
        )
        assert metasynth(*run, "--out", tmp_path / "run") == 2
        assert not server.requests
    assert "nowhere" in capsys.readouterr().err
