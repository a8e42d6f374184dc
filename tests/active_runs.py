"""What tests of rounds share: a run file with a pool, a tiny student, and a teacher of problems."""

import functools
import hashlib
import json
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler

from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.config.run import BudgetConfig
from metasynth.graphs.active.graph import active_graph
from metasynth.graphs.run.budget import Budget, Spent
from metasynth.graphs.workspace import Workspace, constant
from metasynth.records.record import Record
from tests.commands import fast_embedder, settings
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.prose import prose
from tests.tiny_lm import save_tiny_lm

ROUNDS, ROWS, POOL = 2, 4, 9
_RUN = """\
name: rounds
graph: active
domain: everyday sums
teacher: {model: "openai:test"}
student: {lora_rank: 2, learning_rate: 0.01, batch_size: 4, epochs: 1}
active:
  pool: {path: pool.jsonl, scoring: {criterion: loss_self, max_new_tokens: 4}}
  test: {path: test.jsonl, max_new_tokens: 4}
  rounds: 2
  rows_per_round: 4
gate: {min_words: 8, max_words: 200, min_distance: 0.0, check_language: false, min_seed_words: 0}
concurrency: 1
"""


@functools.cache
def tiny_student() -> Path:
    """A model folder that lives as long as the tests."""
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="metasynth-student-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return save_tiny_lm(folder, hidden_size=32, intermediate_size=48)


def pool_row(number: int) -> dict[str, str]:
    """A row of the pool."""
    name = ("Ann", "Bo", "Cy")[number % 3]
    return {
        "id": f"pool-{number}",
        "prompt": f"{name} has {number + 3} lamps and sells {number}. How many are left?",
        "completion": f"Solution: {number + 3} - {number} = 3. The answer is 3.",
    }


def run_file(folder: Path, *, pool: list[str] | None = None) -> Path:
    """A run file with its pool and its test rows."""
    lines = [json.dumps(pool_row(number)) for number in range(POOL)] if pool is None else pool
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tested = (
        json.dumps({"prompt": f"What is {n} and {n}?", "completion": f"{n + n}"}) for n in (1, 2, 3)
    )
    (folder / "test.jsonl").write_text("\n".join(tested) + "\n", encoding="utf-8")
    (folder / "run.yaml").write_text(_RUN, encoding="utf-8")
    return folder / "run.yaml"


def active_run(folder: Path, base_url: str = "", **values: object) -> list[str]:
    """Arguments of a run that is quick."""
    quick: dict[str, object] = {
        "memory__embedder": fast_embedder(),
        "student__model": f"local:{tiny_student()}",
        **values,
    }
    if base_url:
        quick["teacher__base_url"] = base_url
    path = folder / "run.yaml"
    return ["run", str(path if path.exists() else run_file(folder)), "--quiet", *settings(**quick)]


class ProblemTeacher:
    """Writes a problem with its solution, and answers all other prompts; repeats itself.

    Args:
        unreadable: Which of the replies, from 0 up, have no mark of a solution.
    """

    def __init__(self, *, unreadable: tuple[int, ...] = ()) -> None:
        self._unreadable = unreadable
        self._count = 0

    def __call__(self, request: dict[str, Any]) -> Reply:
        seen = json.dumps([request["messages"], request.get("seed")], sort_keys=True)
        rng = random.Random(hashlib.sha256(seen.encode()).hexdigest())
        asked = str(request["messages"][-1]["content"])
        solution = f"{prose([], 6, rng)} The answer is {rng.randrange(50)}."
        if "Write one new problem" not in asked:
            return Reply(content=solution)
        self._count += 1
        problem = f"{prose([], 12, rng)} How many are left?"
        if self._count - 1 in self._unreadable:
            return Reply(content=problem)
        return Reply(content=f"**Problem:** {problem}\n\n**Solution:** {solution}")


class StoppedError(Exception):
    """Stands for a kill."""


class Stop(AsyncCallbackHandler):
    """Ends a run in a node: at its first look at the budget, or when it has done its work."""

    raise_error = True

    def __init__(self, node: str, at: Literal["look", "end"]) -> None:
        self._node = node
        self._at = at
        self._inside: UUID | None = None

    def look(self) -> None:
        """Somebody looks at the budget."""
        if self._inside is not None and self._at == "look":
            raise StoppedError

    async def on_chain_start(
        self, serialized: dict[str, Any], inputs: Any, *, run_id: UUID, **more: Any
    ) -> None:
        if more.get("name") == self._node and self._inside is None:
            self._inside = run_id

    async def on_chain_end(self, outputs: Any, *, run_id: UUID, **more: Any) -> None:
        if run_id == self._inside:
            raise StoppedError


class StoppingBudget(Budget):
    """A budget whose stages may be stopped; that of the calls is another."""

    def __init__(self, config: BudgetConfig, spent: Callable[[], Spent], stop: Stop) -> None:
        super().__init__(config, spent)
        self._stop = stop

    def check(self) -> None:
        self._stop.look()
        super().check()

    def check_minutes(self) -> None:
        self._stop.look()
        super().check_minutes()


class Rounds:
    """A run directory that is started as often as the test likes, on one server."""

    def __init__(self, folder: Path, server: OpenAIServer, **values: object) -> None:
        self.folder = folder
        self.server = server
        self.values = values

    async def __call__(
        self, name: str = "run", *, stop: "Stop | None" = None, **values: object
    ) -> Workspace:
        """One start; `stop` may end it in a node."""
        given = {**self.values, **values}
        _, path, _, *changes = active_run(self.folder, self.server.base_url, **given)
        plan = plan_run(load_run_config(Path(path), changes[1::2]))
        async with AsyncExitStack() as stack:
            workspace = await stack.enter_async_context(open_run(plan, self.folder / name))
            config: Any = {"recursion_limit": 10_000}
            if stop is not None:
                budget = StoppingBudget(plan.config.budget, workspace.ledger.totals, stop)
                workspace = replace(workspace, budget=budget)
                config["callbacks"] = [stop]
            graph = active_graph(constant(workspace)).compile()
            self.ended = await graph.ainvoke({"chains": plan.config.concurrency}, config)
        return workspace

    def round(self, number: int, name: str = "run") -> dict[str, Any]:
        """The figures of a round."""
        path = self.folder / name / "student" / f"round-{number:02d}" / "round.json"
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def lines(self, number: int, file: str, name: str = "run") -> list[dict[str, Any]]:
        """The lines of a round's file."""
        path = self.folder / name / "student" / f"round-{number:02d}" / file
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def bodies(workspace: Workspace) -> dict[str, Record]:
    """All records by their chain and number, with what differs from start to start left out."""
    found = (*workspace.corpus.records(), *workspace.corpus.rejected_records())
    return {
        record.id.partition("-")[2]: record.model_copy(
            update={
                "created_at": "",
                "generation": record.generation.model_copy(update={"seconds": 0}),
            }
        )
        for record in found
    }
