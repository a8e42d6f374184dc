"""The graph active: what is asked of whom, the arms, every stop and every way on."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from metasynth.graphs.active.workspace import ActiveWorkspace
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record
from tests.active_runs import (
    POOL,
    ROUNDS,
    ROWS,
    ProblemTeacher,
    Rounds,
    Stop,
    StoppedError,
    bodies,
    pool_row,
    run_file,
)
from tests.openai_server import OpenAIServer
from tests.tiny_lm import save_tiny_reward

STOPS: tuple[tuple[str, Literal["look", "end"]], ...] = (
    ("score_seeds", "look"),
    ("select", "end"),
    ("generate", "end"),
    ("score_children", "look"),
    ("fine_tune", "look"),
    ("evaluate", "look"),
    ("evaluate", "end"),
)


class Whole(NamedTuple):
    """A run of all rounds that nothing disturbed, in the directory `whole`."""

    rounds: Rounds
    workspace: Workspace
    ended: dict[str, Any]
    requests: list[dict[str, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(ProblemTeacher()) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    rounds = Rounds(tmp_path_factory.mktemp("rounds"), server)
    workspace = asyncio.run(rounds("whole"))
    return Whole(rounds, workspace, rounds.ended, list(server.requests))


def test_a_record_has_its_seed_and_the_seeds_score(whole: Whole) -> None:
    assert whole.ended["stopped_because"] == "rounds: all are done"
    assert len(whole.requests) == ROUNDS * ROWS
    records = bodies(whole.workspace)
    assert sorted(records) == [f"r{r:02d}-{p:05d}" for r in (1, 2) for p in range(1, ROWS + 1)]
    for name, record in records.items():
        number, place = int(name[1:3]), int(name[-5:])
        chosen = whole.rounds.lines(number, "selected.jsonl", "whole")[place - 1]
        assert record.seed_ids == chosen["seed_ids"]
        assert record.seed_score is not None
        assert record.seed_score.score == round(chosen["score"], 6)
        assert (record.seed_score.criterion, record.seed_score.round) == ("loss_self", number)
        assert (record.source, record.experts) == ("teacher", ["teacher"])
        assert record.messages is not None
        assert record.messages[0].content.endswith("How many are left?")
        assert record.messages[1].content.startswith("Solution: ")  # as the seed's own answer does


def test_the_stage_of_the_round_is_shown_to_whoever_watches(whole: Whole) -> None:
    workspace = whole.workspace
    assert isinstance(workspace, ActiveWorkspace)
    assert workspace.activity == []
    workspace.rounds.students.round = 2
    with workspace.rounds.progress.stage("choosing"):
        assert workspace.activity == [("rounds", "round 2: choosing")]
    workspace.rounds.students.round = 0


def test_high_scores_are_chosen_and_shown_to_the_teacher(whole: Whole) -> None:
    scored, selected = (
        whole.rounds.lines(1, f"{n}.jsonl", "whole") for n in ("scores", "selected")
    )
    scores = {line["row_id"]: line["score"] for line in scored}
    chosen = [line["seed_ids"][0] for line in selected]
    assert len(scores) == POOL
    assert set(chosen) == set(sorted(scores, key=lambda id_: -scores[id_])[:ROWS])
    shown = [request["messages"][-1]["content"] for request in whole.requests[:ROWS]]
    for seed, prompt in zip(chosen, shown, strict=True):
        assert pool_row(int(seed.removeprefix("pool-")))["prompt"] in prompt
        assert "Solution: Solution:" not in prompt


def test_a_round_tells_rows_tokens_scores_fidelity_and_the_test(whole: Whole) -> None:
    workspace = whole.workspace
    first, second = (whole.rounds.round(number, "whole") for number in (1, 2))
    assert (first["asked"], first["accepted"] + first["rejected"]) == (ROWS, ROWS)
    assert first["seeds"]["scored"] == POOL
    assert first["seeds"]["median_chosen"] >= first["seeds"]["median"]
    assert first["children"]["scored"] == first["accepted"]
    assert first["fidelity"]["children"] == first["accepted"]
    assert second["fidelity_so_far"]["sets"] == 2
    assert first["spent"]["calls"] == second["spent"]["calls"] == ROWS
    assert second["spent_in_all"]["tokens"] == workspace.ledger.totals().tokens
    assert first["spent"]["tokens"] + second["spent"]["tokens"] == workspace.ledger.totals().tokens
    assert second["training"]["rows"] == first["accepted"] + second["accepted"]
    assert second["evaluation"]["rows"] == 3
    base = json.loads((whole.rounds.folder / "whole/student/round-00/evaluation.json").read_text())
    assert base["loss"] != second["evaluation"]["loss"]


async def test_every_arm_asks_for_as_many_rows_and_takes_as_many_steps(
    whole: Whole, server: OpenAIServer
) -> None:
    rounds = whole.rounds
    calls = {"whole": len(whole.requests)}
    steps = {"whole": rounds.round(ROUNDS, "whole")["training"]["steps"]}
    assert (rounds.folder / "whole/student/round-01/scores.jsonl").exists()
    for arm in ("random", "static"):
        before = len(server.requests)
        await rounds(arm, active__arm=arm)
        calls[arm] = len(server.requests) - before
        steps[arm] = rounds.round(1 if arm == "static" else ROUNDS, arm)["training"]["steps"]
        assert not (rounds.folder / arm / "student/round-01/scores.jsonl").exists()
    assert set(calls.values()) == {ROUNDS * ROWS}
    assert set(steps.values()) == {ROUNDS * ROWS // 4}
    assert rounds.round(1, "static")["asked"] == ROUNDS * ROWS
    assert rounds.round(1, "random")["fidelity"] is None


async def test_static_takes_all_the_steps_that_rounds_in_a_chain_take(
    tmp_path: Path, server: OpenAIServer
) -> None:
    rounds = Rounds(tmp_path, server, student__start="continue")
    await rounds("rounds", active__arm="random")
    await rounds("static", active__arm="static")
    steps = [rounds.round(number, "rounds")["training"]["steps"] for number in (1, 2)]
    assert rounds.round(1, "static")["training"]["steps"] == sum(steps)


async def test_the_last_rounds_alone_are_trained_on_by_choice(
    tmp_path: Path, server: OpenAIServer
) -> None:
    rounds = Rounds(tmp_path, server, student__data="last", student__last_rounds=1)
    await rounds()
    assert rounds.round(2)["training"]["rows"] == rounds.round(2)["accepted"]


async def test_what_cannot_be_read_is_counted_and_not_asked_for_again(tmp_path: Path) -> None:
    with OpenAIServer(ProblemTeacher(unreadable=(1,))) as server:
        rounds = Rounds(tmp_path, server)
        workspace = await rounds(active__rounds=1)
        assert len(server.requests) == ROWS
    assert rounds.round(1)["reasons"] == {"unparsed": 1}
    (lost,) = workspace.corpus.rejected_records()
    assert lost.reason is not None
    assert lost.reason.startswith("unparsed: no 'Solution:' in the reply: ")


async def test_a_copy_of_a_test_row_is_refused(tmp_path: Path) -> None:
    run_file(tmp_path)
    asked = "How many lamps are left when the small shop at the old harbour has sold its red ones?"
    row = {"prompt": asked, "completion": "None: 0"}
    (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n")
    with OpenAIServer(lambda _: f"Problem: {asked}\nSolution: The answer is 0.") as server:
        rounds = Rounds(tmp_path, server)
        await rounds(active__rounds=1)
    assert rounds.round(1)["reasons"] == {"contaminated": ROWS}
    assert rounds.round(1)["training"] is None  # there is nothing to learn from


async def test_a_reward_model_may_choose_seeds_and_candidates(
    tmp_path: Path, server: OpenAIServer
) -> None:
    folder = save_tiny_reward(tmp_path / "reward")
    named = f"{{criterion: reward, max_new_tokens: 4, reward_model: {folder}}}"
    rounds = Rounds(tmp_path, server, active__rounds=1, active__pool__scoring=named)
    workspace = await rounds(active__candidates=f"{{warmup: 1, quantile: 0, scoring: {named}}}")
    scores = {one["row_id"]: one["score"] for one in rounds.lines(1, "scores.jsonl")}
    assert len(set(scores.values())) == POOL
    chosen = [one["seed_ids"][0] for one in rounds.lines(1, "selected.jsonl")]
    assert set(chosen) == set(sorted(scores, key=lambda id_: -scores[id_])[:ROWS])
    records = bodies(workspace).values()
    assert len(records) == ROWS
    assert {record.student.criterion for record in records if record.student} == {"reward"}
    assert all(record.student is not None for record in records)


async def test_a_kill_in_any_stage_changes_nothing(whole: Whole, server: OpenAIServer) -> None:
    """Each start goes on from the stop before it, in the first round and then in the second."""
    rounds, before = whole.rounds, len(server.requests)
    for _ in range(ROUNDS):
        for node, at in STOPS:
            with pytest.raises(StoppedError):
                await rounds("killed", stop=Stop(node, at))
    assert bodies(await rounds("killed")) == bodies(whole.workspace)
    assert len(server.requests) - before == ROUNDS * ROWS
    for number in range(1, ROUNDS + 1):
        assert _timeless(rounds.round(number, "killed")) == _timeless(rounds.round(number, "whole"))


@pytest.mark.parametrize("node", ["score_children", "fine_tune", "evaluate"])
async def test_a_round_whose_rows_are_all_there_is_trained_and_tested_after_a_kill(
    node: str, tmp_path: Path, server: OpenAIServer
) -> None:
    """Whatever of the budget its rows have used up."""
    rounds = Rounds(tmp_path, server, active__rounds=1)
    await rounds("whole")
    budgets: dict[str, dict[str, Any]] = {"records": {}, "calls": {"budget__calls": ROWS}}
    for name, budget in budgets.items():
        with pytest.raises(StoppedError):
            await rounds(name, stop=Stop(node, "look"), **budget)
        assert not (tmp_path / name / "student/round-01/round.json").exists()
        await rounds(name, **budget)
        assert _timeless(rounds.round(1, name)) == _timeless(rounds.round(1, "whole"))
        assert rounds.ended["stopped_because"] == "rounds: all are done"


def _timeless(told: dict[str, Any]) -> dict[str, Any]:
    training = {name: value for name, value in told["training"].items() if name != "seconds"}
    return {**told, "training": training}


async def test_a_budget_of_calls_cuts_a_round_short_and_the_next_start_completes_it(
    whole: Whole, server: OpenAIServer
) -> None:
    rounds = whole.rounds
    await rounds("cut", budget__calls=ROWS + 2)
    assert rounds.ended["stopped_because"].startswith("budget.calls: 6 of 6")
    short = rounds.round(2, "cut")
    assert short["accepted"] + short["rejected"] == 2
    assert short["stopped_because"].startswith("budget.calls")
    assert short["training"]["rows"] == 2 + rounds.round(1, "cut")["accepted"]
    assert short["evaluation"] is not None
    requests = len(server.requests)
    await rounds("cut", budget__calls=ROWS + 2)  # nothing is left to spend: nothing changes
    assert rounds.round(2, "cut") == short
    assert len(server.requests) == requests
    assert bodies(await rounds("cut")) == bodies(whole.workspace)
    assert rounds.round(2, "cut")["stopped_because"] == ""
    assert _timeless(rounds.round(2, "cut")) == _timeless(rounds.round(2, "whole"))


async def test_records_are_a_budget_too(tmp_path: Path, server: OpenAIServer) -> None:
    rounds = Rounds(tmp_path, server)
    await rounds(budget__records=3)
    assert rounds.ended["stopped_because"] == "budget.records: all records are written"
    assert rounds.ended["accepted"] == 3
    assert rounds.round(1)["stopped_because"]
    assert not (tmp_path / "run/student/round-02/round.json").exists()


async def test_more_rounds_may_follow(tmp_path: Path, server: OpenAIServer) -> None:
    rounds = Rounds(tmp_path, server)
    await rounds(active__rounds=1)
    first = rounds.round(1)
    workspace = await rounds(active__rounds=2)
    assert rounds.round(1) == first
    assert Counter(name[:3] for name in bodies(workspace)) == {"r01": ROWS, "r02": ROWS}


async def test_the_student_may_choose_candidates_alone(
    tmp_path: Path, server: OpenAIServer
) -> None:
    rounds = Rounds(tmp_path, server, active__pool__selection__strategy="random")
    before = len(server.requests)
    workspace = await rounds(
        active__candidates="{accept: best, batch: 2, keep: 1, scoring: {criterion: loss_gold}}"
    )
    assert len(server.requests) - before == ROUNDS * ROWS
    records = bodies(workspace)
    assert len(records) == ROUNDS * ROWS
    accepted = [record for record in records.values() if record.reason is None]
    assert len(accepted) == ROUNDS * ROWS // 2
    for name, record in records.items():
        assert record.seed_score is None
        assert record.student is not None
        assert (record.student.criterion, record.student.round) == ("loss_gold", int(name[1:3]))
    assert rounds.round(1)["reasons"] == {"student": ROWS // 2}


async def test_it_may_choose_seeds_and_candidates(tmp_path: Path, server: OpenAIServer) -> None:
    rounds = Rounds(tmp_path, server)
    workspace = await rounds(
        active__candidates="{warmup: 1, quantile: 0.5, scoring: {criterion: loss_gold}}"
    )
    records = bodies(workspace).values()
    assert len(records) == ROUNDS * ROWS
    assert all(record.seed_score is not None and record.student is not None for record in records)
    assert any(_is_refused_by_student(record) for record in records)


def _is_refused_by_student(record: Record) -> bool:
    return record.reason is not None and record.reason.startswith("student")


async def test_how_many_work_at_once_changes_no_record(whole: Whole) -> None:
    one = bodies(whole.workspace)
    many = bodies(await whole.rounds("many", concurrency=5))
    assert {name: record.body for name, record in many.items()} == {
        name: record.body for name, record in one.items()
    }
