"""The graph softsrv: stable ids, answers, the gate, and every way in which it ends."""

import random
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.softsrv.workspace import SoftSRVWorkspace
from metasynth.graphs.workspace import Workspace, constant
from metasynth.records.record import Record
from metasynth.softsrv.manifest import read_manifest
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer, Responder
from tests.softsrv_runs import ROWS, QuestionTeacher, put_candidates, question, softsrv_run

ANSWERED = {
    "softsrv__method": "template",
    "softsrv__answers__style": "template",
    "softsrv__answers__template": "'Solve this. {{ question }}'",
}
UNANSWERED = {"softsrv__answers__style": "none", "softsrv__answers__template": "''"}


def questions(count: int) -> list[str]:
    rng = random.Random(1)
    return [question(rng) for _ in range(count)]


class Run:
    """A run directory with candidates of the test's own, started as often as the test likes."""

    def __init__(self, folder: Path, responder: Responder | None = None) -> None:
        self.folder = folder
        self.server = OpenAIServer(responder or QuestionTeacher())

    def __enter__(self) -> "Run":
        self.server.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self.server.__exit__(*problem)

    async def __call__(
        self, texts: Sequence[str], **values: object
    ) -> tuple[Workspace, dict[str, Any]]:
        _, path, _, *changes = softsrv_run(
            self.folder, self.server.base_url, **{**ANSWERED, **values}
        )
        plan = plan_run(load_run_config(Path(path), changes[1::2]))
        async with AsyncExitStack() as stack:
            workspace = await stack.enter_async_context(open_run(plan, self.folder / "run"))
            self.candidates = put_candidates(workspace, texts)
            graph = softsrv_graph(constant(workspace)).compile()
            return workspace, await graph.ainvoke({"chains": plan.config.concurrency})


def counts(folder: Path) -> Any:
    """What the manifest says of the records."""
    return read_manifest(folder / "run" / "softsrv" / "manifest.json")["records"]


def records(workspace: Workspace) -> dict[str, Record]:
    return {
        record.id.partition("-")[2]: record
        for record in (*workspace.corpus.records(), *workspace.corpus.rejected_records())
    }


async def test_a_record_is_question_and_answer_with_its_context(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        workspace, ended = await run(questions(8))
    assert (ended["accepted"], ended["contexts"], ended["candidates"]) == (8, len(ROWS), 8)
    assert ended["stopped_because"] == "budget.records: all records are written"
    assert counts(tmp_path)["accepted"] == 8
    for place, asked in enumerate(run.candidates, start=1):
        record = records(workspace)[f"softsrv-{place:05d}"]
        assert record.kind == "instruction"
        assert record.messages is not None
        assert [message.role for message in record.messages] == ["user", "assistant"]
        assert record.messages[0].content == asked.text
        assert record.body == f"{asked.text}\n\n{record.messages[1].content}"
        assert record.parent_ids == [asked.context_id]
        assert (record.source, record.seed_ids) == ("template", [])
        assert record.experts == ["template", "answer"]
        assert record.generation.models == {"answers": "openai:test"}
        assert record.generation.calls == 1
        assert record.novelty is not None
    sent = {request["messages"][0]["content"] for request in run.server.requests}
    assert sent == {f"Solve this. {asked.text}" for asked in run.candidates}


async def test_what_is_computed_is_shown_to_whoever_watches(tmp_path: Path) -> None:
    _, path, _, *changes = softsrv_run(tmp_path, teacher__model="embedded")
    plan = plan_run(load_run_config(Path(path), changes[1::2]))
    async with open_run(plan, tmp_path / "run") as workspace:
        assert isinstance(workspace, SoftSRVWorkspace)
        assert workspace.activity == []
        with workspace.steering.progress.stage("training"):
            assert workspace.activity == [("softsrv", "training")]


async def test_how_many_work_at_once_changes_no_record(tmp_path: Path) -> None:
    found = []
    port = 0
    for chains in (1, 7):
        (tmp_path / str(chains)).mkdir()
        with Run(tmp_path / str(chains)) as run:
            run.server.port = run.server.port or port
            port = run.server.port
            workspace, _ = await run(questions(12), concurrency=chains, budget__records=12)
        found.append({id_: record.body for id_, record in records(workspace).items()})
    assert len(found[0]) == 12
    assert found[0] == found[1]


async def test_without_answers_records_are_documents(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        workspace, ended = await run(questions(3), **UNANSWERED)
        assert not run.server.requests
    assert ended["accepted"] == 3
    # several are in work at once: they enter in any order
    assert {(record.kind, record.text) for record in workspace.corpus.records()} == {
        ("document", asked.text) for asked in run.candidates
    }


async def test_it_ends_when_all_candidates_are_judged(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        _, ended = await run(questions(5), budget__records=100)
    assert ended["stopped_because"] == "candidates: all 5 are judged"
    assert ended["accepted"] == 5


REFUSALS = {
    "in words": (Reply(content="I'm sorry, but I cannot help with that."), "refusal: the answer"),
    "in its own field": (Reply(content=None, refusal="No."), "no_answer: No."),
    "cut": (Reply(content="It is", finish_reason="length"), "too_long: the answer was cut"),
    "talk": (Reply(content="Four. Let me know if you need more."), "meta_talk: "),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_bad_answer_is_rejected_with_its_reason(case: str, tmp_path: Path) -> None:
    reply, reason = REFUSALS[case]
    with Run(tmp_path, lambda request: reply) as run:
        workspace, ended = await run(questions(2), concurrency=1)
    assert (ended["accepted"], ended["rejected"]) == (0, 2)
    for record in workspace.corpus.rejected_records():
        assert record.reason is not None
        assert record.reason.startswith(reason)
        assert record.refusals == [reason.partition(":")[0]]
        assert record.kind == "instruction"


async def test_an_answer_that_is_in_the_test_set_is_rejected(tmp_path: Path) -> None:
    secret = "the secret of the old lamp is that nobody lit it"
    tested = tmp_path / "test.txt"
    tested.write_text(f"{secret}\n")
    with Run(tmp_path, lambda request: f"It is {secret}, {len(str(request))}.") as run:
        workspace, _ = await run(
            questions(2), concurrency=1, softsrv__postprocess__contaminants=f"[{tested}]"
        )
    reasons = [record.reason or "" for record in workspace.corpus.rejected_records()]
    assert len(reasons) == 2
    assert all(reason.startswith("contaminated: exact match with ") for reason in reasons)


async def test_the_same_question_twice_is_admitted_once(tmp_path: Path) -> None:
    twice = questions(1) * 2
    with Run(tmp_path) as run:
        workspace, ended = await run(twice, concurrency=2)
    assert (ended["accepted"], ended["rejected"]) == (1, 1)
    # which of the two speaks depends on who is remembered first, vectors or words
    assert set(workspace.corpus.reasons()) <= {"too_close", "overlap"}


async def test_a_gate_that_takes_nothing_stalls_the_run(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        _, ended = await run(
            questions(20), gate__min_words=150, budget__stall_after=3, concurrency=1
        )
    assert ended["stopped_because"].startswith("stalled: 3 records in a row")
    assert ended["rejected"] == 3


async def test_a_budget_ends_it_and_the_next_start_pays_for_the_rest_alone(tmp_path: Path) -> None:
    source = questions(9)
    with Run(tmp_path) as run:
        _, ended = await run(source, budget__calls=4, concurrency=2, budget__records=9)
        # the other chain's call may have been in flight, and such a call ends
        assert re.fullmatch(r"budget\.calls: [45] of 4 calls used", ended["stopped_because"])
        assert 4 <= len(run.server.requests) <= 5
        before = ended["accepted"]
        assert before < 9
        workspace, ended = await run(source, concurrency=2, budget__records=9)
        assert ended["accepted"] == 9
        assert len(run.server.requests) == 9
    assert sorted(records(workspace)) == [f"softsrv-{place:05d}" for place in range(1, 10)]


async def test_minutes_end_it_where_no_call_is_made(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        _, ended = await run(questions(3), budget__minutes=1e-9, concurrency=1, **UNANSWERED)
    assert ended["stopped_because"].startswith("budget.minutes: ")
    assert counts(tmp_path)["judged"] == 0
