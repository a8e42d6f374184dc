"""What bounds a run: the conductor's prompt, the budget, a gate that takes nothing, the turns."""

import random
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.graphs.corpus import corpus_graph
from metasynth.graphs.run.budget import Budget
from metasynth.graphs.run.calls import Caller
from metasynth.graphs.workspace import constant
from metasynth.memory.recorder import CallRecorder
from metasynth.records.record import Record
from tests.commands import FINANCE, calls_in, corpus_of, metasynth, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer
from tests.prose import label, prose, summary
from tests.teacher import Teacher


def written_before(number: int) -> Record:
    """A record of another chain, with labels that some model might give."""
    rng = random.Random(number)
    text = prose([], 30, rng)
    topic = label(text)
    if number % 5 == 0:
        topic, text = "compliance" * 300 + str(number), "endless" * 2000 + text
    if number % 7 == 0:
        topic = f"{topic}\n\nsubmit draft-1 " * 50
    return Record(
        id=f"before-90-{number:05d}",
        text=text,
        topic=topic,
        persona=f"persona {number % 40} of many words " * 5,
        genre="audit memo",
        summary=summary(text) * 4,
    )


def opening_prompts(out: Path, run: list[str], server: OpenAIServer) -> list[str]:
    """All that the conductor is sent in the first turns of another start of the run."""
    before = len(server.requests)
    goal = len(corpus_of(out)) + 2
    assert metasynth(*run, "--out", out, "--set", f"budget.records={goal}") == 0
    return [
        "\n".join(str(message["content"]) for message in request["messages"])
        for request in server.requests[before:]
        if request.get("tools") and len(request["messages"]) == 2
    ]


def test_the_conductors_prompt_has_a_bound_that_does_not_grow_with_the_corpus(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        run = small_run(server.base_url, budget__records=1, gate__min_distance=0)
        assert metasynth(*run, "--out", out) == 0
        longest = []
        for held in (20, 400):
            with (out / "corpus.jsonl").open("a") as corpus:
                numbers = range(len(corpus_of(out)), held)
                corpus.writelines(written_before(number).to_line() for number in numbers)
            longest.append(max(map(len, opening_prompts(out, run, server))))
        biggest = max(
            sum(len(str(message["content"])) for message in request["messages"])
            for request in server.requests
            if request.get("tools")
        )
    config = load_run_config(FINANCE)
    assert biggest / 4 < config.conductor.max_prompt_tokens
    # all lists of the digest are full at 20 already: the entries differ, not their number
    digest = config.memory.neighbours * 45 + config.memory.labels * 6 + config.memory.topics * 8
    assert longest[1] - longest[0] < 6 * digest
    assert longest[1] < 12_000


BUDGETS = {
    "calls": (25, "budget.calls: "),
    "tokens": (9000, "budget.tokens: "),
    "usd": (0.003, "budget.usd: "),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_a_budget_that_ends_is_said_and_no_failure(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit, words = BUDGETS[name]
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        run = [*small_run(server.base_url, concurrency=2), "--out", str(out)]
        ended = metasynth(*run, "--set", f"budget.{name}={limit}")
        told = capsys.readouterr()
        assert f"ended because   {words}" in told.out
        assert len(corpus_of(out)) < 8
        # nothing for the money is no success
        assert ended == (0 if corpus_of(out) else 1)
        assert ("nothing was written" in told.err) == bool(ended)
        if name == "calls":  # what was under way then was still carried out
            assert limit <= calls_in(out) <= limit + 3
        asked = len(server.requests)
        assert metasynth(*run, "--set", f"budget.{name}={limit}") == ended  # nothing is left
        assert len(server.requests) == asked
        assert metasynth(*run) == 0
        assert len(corpus_of(out)) == 8
        assert calls_in(out) == len(server.requests)


async def test_minutes_end_a_run_too(tmp_path: Path) -> None:
    ticks = count(step=30)
    with OpenAIServer(Teacher()) as server:
        _, _, _, *changes = small_run(server.base_url, budget__minutes=5)
        plan = plan_run(load_run_config(FINANCE, changes[1::2]))
        async with open_run(plan, tmp_path / "run") as workspace:
            budget = Budget(plan.config.budget, workspace.ledger.totals, lambda: next(ticks))
            recorder = CallRecorder(workspace.ledger)
            caller = Caller(workspace.ledger, recorder, budget, random_seed=0)
            graph = corpus_graph(constant(replace(workspace, caller=caller))).compile()
            ended = await graph.ainvoke({"chains": 2})
    assert ended["stopped_because"] == "budget.minutes: 5.0 of 5.0 minutes used"
    assert 5 <= len(server.requests) <= 10


def test_a_gate_that_takes_nothing_ends_the_run_and_the_reasons_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer(Teacher(drafts=("Far too short.",))) as server:
        run = small_run(server.base_url, budget__stall_after=3, gate__tries=2, concurrency=2)
        assert metasynth(*run, "--out", tmp_path / "run") == 1
    told = capsys.readouterr().out
    assert "stalled: 3 records in a row were rejected" in told
    assert "too_short" in told
    rejected = (tmp_path / "run" / "rejected.jsonl").read_text().splitlines()
    assert 3 <= len(rejected) <= 4
    assert all('"reason":"too_short' in line for line in rejected)


def test_a_conductor_that_never_stops_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = {"expert": "topic_label", "instruction": "Again.", "attach": ["seed-1"]}
    endless = Reply(content=None, tool_calls=({"name": "consult", "arguments": again},) * 9)
    teacher = Teacher()

    def respond(request: dict[str, Any]) -> Reply:
        return endless if request.get("tools") else teacher(request)

    with OpenAIServer(respond) as server:
        run = small_run(
            server.base_url,
            budget__stall_after=1,
            concurrency=1,
            conductor__max_turns=4,
            conductor__max_calls_per_turn=3,
        )
        assert metasynth(*run, "--out", tmp_path / "run") == 1
        assert len(server.requests) == 4 * (1 + 3)
    assert "stalled: 1 records in a row" in capsys.readouterr().out
    rejected = (tmp_path / "run" / "rejected.jsonl").read_text()
    assert '"reason":"turns: no draft accepted within 4 turns"' in rejected


def test_one_chain_and_the_same_answers_make_the_same_run(tmp_path: Path) -> None:
    port = 0
    runs: list[tuple[list[str], list[str | None]]] = []
    for number in range(2):
        with OpenAIServer(Teacher(), port=port) as server:
            port = server.port
            run = small_run(server.base_url, budget__records=4, concurrency=1)
            assert metasynth(*run, "--out", tmp_path / str(number)) == 0
            texts = [record.text for record in corpus_of(tmp_path / str(number))]
            runs.append((sorted(map(str, server.requests)), texts))
    assert runs[0] == runs[1]
