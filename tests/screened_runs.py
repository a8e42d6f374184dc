"""Runs of the corpus graph with a student of the test's own."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.active import CandidatesConfig
from metasynth.config.file import load_run_config
from metasynth.config.student import StudentConfig
from metasynth.graphs.admission.screening import Screen
from metasynth.graphs.corpus import corpus_graph
from metasynth.graphs.scoring.scorer import StudentScorer
from metasynth.graphs.scoring.students import Students
from metasynth.graphs.workspace import Workspace, constant
from metasynth.records.record import Record
from metasynth.student.rounds_folder import RoundsFolder
from metasynth.student.scoring.measures import Scored
from tests.commands import FINANCE, small_run

TEMPLATE: Mapping[str, object] = {
    "graph": "template",
    "gate__min_distance": 0,
    "gate__max_ngram_overlap": 1,
    "gate__max_same_opening": 1000,
    "gate__min_seed_words": 0,
}


class Score(NamedTuple):
    """What the test's student says."""

    score: float | None
    reason: str = ""


def by_hash(record: Record) -> Score:
    """A number in [0, 1) that depends on the text alone."""
    return Score(int(hashlib.sha256(record.body.encode()).hexdigest()[:8], 16) / 2**32)


class Student(StudentScorer):
    """Scores by a function in place of a model; remembers whom it scored."""

    def __init__(self, say: Callable[[Record], Score] = by_hash) -> None:
        nowhere = RoundsFolder(Path("no-rounds"))
        super().__init__(CandidatesConfig(), Students(StudentConfig(), nowhere), seed=0)
        self.say = say
        self.scored: list[str] = []
        self.prepared = 0

    async def prepare(self) -> None:
        self.prepared += 1

    async def score(self, record: Record) -> Scored:
        self.scored.append(record.id)
        score, reason = self.say(record)
        return Scored(record.id, 0, score, reason)


async def screened(
    folder: Path, base_url: str, student: Student, **values: object
) -> tuple[Workspace, dict[str, Any]]:
    """Start or go on with a run in `folder`; the workspace is closed, its counts can be read."""
    changes = small_run(base_url, **values)[3:]
    plan = plan_run(load_run_config(FINANCE, changes[1::2]))
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(open_run(plan, folder))
        assert isinstance(workspace.screen, Screen)
        workspace.screen.scorer = student
        graph = corpus_graph(constant(workspace)).compile()
        return workspace, await graph.ainvoke({"chains": plan.config.concurrency})


def told(**values: object) -> dict[str, object]:
    """Settings of `active.candidates`."""
    return {f"active__candidates__{name}": value for name, value in values.items()}
