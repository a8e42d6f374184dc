"""Own strategies and criteria, each one file of a directory that a run file or --plugins names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from metasynth.student.selection.strategy import STRATEGIES
from tests.active_runs import ROWS, ProblemTeacher, Rounds
from tests.openai_server import OpenAIServer

LAST_IDS = """\
from metasynth.student.selection.strategy import SelectionTask, strategy


@strategy(needs="scores")
def choose(task: SelectionTask) -> list[int]:
    rows = [row for row in range(len(task.pool)) if task.scores[row] > 0]
    return task.allowance.take_open(reversed(rows), task.count)
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A directory of parts, which are forgotten again."""
    folder = tmp_path / "own"
    folder.mkdir()
    yield folder
    for file in folder.glob("*.py"):
        STRATEGIES.forget(file.stem)


async def test_a_run_selects_by_a_strategy_of_its_plugins(own: Path, tmp_path: Path) -> None:
    (own / "last_ids.py").write_text(LAST_IDS)
    with OpenAIServer(ProblemTeacher()) as server:
        rounds = Rounds(tmp_path, server, plugins=str(own))
        await rounds(
            active__rounds=1, active__pool__selection__strategy="last_ids", active__test="null"
        )
    scored = {line["row_id"]: line["score"] for line in rounds.lines(1, "scores.jsonl")}
    assert all(score > 0 for score in scored.values())
    chosen = [line["seed_ids"][0] for line in rounds.lines(1, "selected.jsonl")]
    assert chosen == sorted(scored, reverse=True)[:ROWS]
