"""The page about Python, carried out as a notebook does it: cell by cell in a running loop."""

import ast
import asyncio
import shutil
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.documentation import ROOT, blocks_of

PAGE = ROOT / "docs" / "api.md"


def cells() -> list[tuple[str, CodeType]]:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return [
        (block.where, compile(block.text, block.where, "exec", flags))
        for block in blocks_of(PAGE)
        if block.language == "python" and not block.not_run
    ]


@pytest.mark.timeout(600)
def test_the_cells_work_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")

    async def notebook() -> dict[str, Any]:
        names: dict[str, Any] = {}
        for _, cell in cells():
            work = FunctionType(cell, names)()
            if asyncio.iscoroutine(work):
                await work
        return names

    names = asyncio.run(notebook())
    assert names["result"].complete
    assert names["final"]["accepted"] == 3
    assert len(names["chosen"]) == 4
