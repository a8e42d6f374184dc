"""The Python on the pages of evaluation and tasks is carried out."""

import json
import random
import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.documentation import ROOT, blocks_of
from tests.eval.test_task_formats import ROWS


def run_page(name: str, folder: Path) -> dict[str, Any]:
    """The names that the page's blocks leave behind, run one after the other."""
    blocks = blocks_of(ROOT / "docs" / name)
    code = folder / "page.py"
    code.write_text("".join(block.text for block in blocks if block.language == "python"))
    return runpy.run_path(str(code))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ({**ROWS["boolq"], "passage": f"Passage {n}."} for n in range(4))
    write_rows(tmp_path / "data" / "boolq" / "dev.jsonl", rows)
    monkeypatch.chdir(tmp_path)
    names = run_page("tasks.md", tmp_path)
    assert names["result"].scored == 4
    assert names["mood"].name == "mood"


def test_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    for name, words in (("template", 3), ("ours", 30), ("real", 300)):
        texts = (" ".join(f"word{rng.randrange(words)}" for _ in range(20)) for _ in range(12))
        write_rows(tmp_path / f"{name}.jsonl", ({"text": text} for text in texts))
    monkeypatch.chdir(tmp_path)
    names = run_page("evaluation.md", tmp_path)
    assert 0 < names["closed"].share < 1
