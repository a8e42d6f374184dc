"""The code on the page about tasks is carried out."""

import json
import runpy
from pathlib import Path

import pytest

from tests.documentation import ROOT, blocks_of
from tests.eval.test_task_formats import ROWS


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tmp_path / "data" / "boolq" / "dev.jsonl"
    rows.parent.mkdir(parents=True)
    rows.write_text(
        "".join(json.dumps({**ROWS["boolq"], "passage": f"Passage {n}."}) + "\n" for n in range(4))
    )
    blocks = blocks_of(ROOT / "docs" / "tasks.md")
    page = tmp_path / "page.py"
    page.write_text("".join(block.text for block in blocks if block.language == "python"))
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(page))
    assert names["result"].scored == 4
    assert names["mood"].name == "mood"
