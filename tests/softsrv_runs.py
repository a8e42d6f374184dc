"""What tests of runs of the graph softsrv share: a run file, and a teacher of questions."""

import hashlib
import json
import random
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from metasynth.graphs.softsrv.workspace import SoftSRVWorkspace
from metasynth.graphs.workspace import Workspace
from metasynth.softsrv.sampling.samples import Candidate, write_candidates
from tests.commands import fast_embedder, settings
from tests.openai_answers import Reply
from tests.prose import prose

_RUN = """\
name: sums
graph: softsrv
domain: everyday sums
teacher: {model: "openai:test"}
softsrv:
  target: {file: rows.jsonl}
  sampling: {count: 30, max_new_tokens: 60}
  postprocess: {keep: 30, clusters: 8, components: 8, needs: [question_mark]}
gate: {min_words: 12, max_words: 200, min_distance: 0.02, check_language: false}
budget: {records: 8}
concurrency: 4
"""
ROWS = [f"Ann has {n} lamps and sells {n - 2} of them. How many are left?" for n in range(5, 17)]


def run_file(folder: Path) -> Path:
    """A run file with its target."""
    rows = (json.dumps({"text": row}) + "\n" for row in ROWS)
    (folder / "rows.jsonl").write_text("".join(rows), encoding="utf-8")
    (folder / "run.yaml").write_text(_RUN, encoding="utf-8")
    return folder / "run.yaml"


def softsrv_run(folder: Path, base_url: str = "", **values: object) -> list[str]:
    """Arguments of a run that is quick."""
    quick: dict[str, object] = {"memory__embedder": fast_embedder(), **values}
    if base_url:
        quick["teacher__base_url"] = base_url
    return ["run", str(run_file(folder)), "--quiet", *settings(**quick)]


def put_candidates(workspace: Workspace, texts: Iterable[str]) -> list[Candidate]:
    """Leave candidates in the run directory, as an earlier start that had sampled them does."""
    assert isinstance(workspace, SoftSRVWorkspace)
    given = [Candidate(text, f"target-{n % 5}", n, 0) for n, text in enumerate(texts)]
    write_candidates(workspace.steering.folder.candidates, given)
    workspace.manifest.finish("samples", {"sampled": len(given)})
    workspace.manifest.finish("postprocess", {})
    return given


class QuestionTeacher:
    """Writes questions where they are asked for, and answers all others; repeats itself.

    Args:
        lost: How many of the questions asked for it leaves out.
    """

    def __init__(self, *, lost: int = 0) -> None:
        self._lost = lost

    def __call__(self, request: dict[str, Any]) -> Reply:
        seen = json.dumps([request["messages"], request.get("seed")], sort_keys=True)
        rng = random.Random(hashlib.sha256(seen.encode()).hexdigest())
        asked = str(request["messages"][-1]["content"])
        if (many := re.search(r"Write (\d+) different", asked)) is not None:
            count = int(many[1]) - self._lost
            numbered = [f"Question {n}: {question(rng)}" for n in range(1, count + 1)]
            return Reply(content="\n\n".join(numbered).removeprefix("Question 1: "))
        if "Criticise it" in asked:
            return Reply(content="It is too short.")
        if "single word Stop" in asked:
            return Reply(content=rng.choice(("Stop", question(rng))))
        if "Write one new" in asked:
            return Reply(content=question(rng))
        return Reply(content=f"{prose([], 12, rng)} The answer is {rng.randrange(50)}.")


def question(rng: random.Random) -> str:
    """A question that the gate takes for new."""
    return f"{prose([], 25, rng)} How many are left?"
