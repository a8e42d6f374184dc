"""What version 0.1 has written is read: its run files, and its run directories, which have ended.

`data/run_0_1` is what `metasynth run examples/demo.yaml --set budget.records=3` of commit 368f6a0
left, without vectors and checkpoints, and with its first spans alone.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.commands import corpus_of, metasynth

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run directory, where it may be written to."""
    return Path(shutil.copytree(DATA / "run_0_1", tmp_path / "run"))


def test_its_run_file_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert metasynth("validate", DATA / "demo_0_1.yaml") == 0


def test_its_records_are_explained(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = corpus_of(run)[0]
    assert metasynth("explain", run, first.id) == 0
    assert first.id in (told := capsys.readouterr().out) and first.topic in told


def test_its_traces_are_read(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert metasynth("trace", run) == 0
    assert corpus_of(run)[0].id in capsys.readouterr().out


def test_it_is_exported(run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    assert metasynth("export", run, rows, "--to", "text") == 0
    texts = [json.loads(line)["text"] for line in rows.read_text(encoding="utf-8").splitlines()]
    assert texts == [record.text for record in corpus_of(run)]


def test_it_has_a_report(run: Path) -> None:
    assert metasynth("report", run) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "0.1.0" in page and "demo" in page


def test_it_is_not_gone_on_with(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert metasynth("run", DATA / "demo_0_1.yaml", "--out", run) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "0.1.0" in told
    after = {path.name: path.read_bytes() for path in run.iterdir() if path.name != ".lock"}
    assert after == before
