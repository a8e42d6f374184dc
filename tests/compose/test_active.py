"""Rounds composed: what a run file may say, every way to choose and to generate."""

import json
from pathlib import Path
from typing import Any

import pytest

from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.errors import ConfigError
from metasynth.graphs.questions.problems import read_problem
from metasynth.graphs.questions.queue import Request
from tests.active_runs import (
    POOL,
    ROWS,
    ProblemTeacher,
    Rounds,
    active_run,
    bodies,
    pool_row,
    run_file,
)
from tests.commands import metasynth
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.teacher import Teacher

# the key that the message begins with, and the code of what is wrong with it
REFUSED: dict[str, tuple[dict[str, object], str, str]] = {
    "no section": ({"active": "null"}, "active", "invalid_value"),
    "no pool": ({"active__pool": "null"}, "active.pool", "invalid_value"),
    "no softsrv": ({"active__generate": "softsrv"}, "softsrv", "invalid_value"),
    "no file": ({"active__pool__path": "none.jsonl"}, "active.pool.path", "missing_file"),
    "no checker": ({"active__test__checker": "maths"}, "active.test.checker", "unknown_checker"),
    "no problem": ({"active__teacher__prompt": "Write!"}, "active.teacher.prompt", "bad_prompt"),
    "unknown word": (
        {"active__teacher__prompt": "'{{ seed }}'"},
        "active.teacher.prompt",
        "bad_prompt",
    ),
    "reward": (
        {"active__pool__scoring__criterion": "reward"},
        "active.pool.scoring.criterion",
        "no_reward_model",
    ),
    "no rounds": ({"active__rounds": 0}, "active.rounds", "invalid_value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_run_file_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    values, key, code = REFUSED[case]
    _, path, _, *changes = active_run(tmp_path, "", **values)
    with raises(ConfigError, code) as refused:
        plan_run(load_run_config(Path(path), changes[1::2]))
    assert f"{key}: " in refused.value.message
    assert "\n" not in refused.value.message


BAD = [
    "not JSON",
    json.dumps(pool_row(1)),
    json.dumps({"id": "x", "prompt": " "}),
    json.dumps({"question": "How many?"}),
    "",
    json.dumps(pool_row(1)),
    json.dumps({"id": "text", "text": "How many lamps? Solution: It is 4 - 1 = 3."}),
    json.dumps(pool_row(2)),
]


def test_bad_rows_of_the_pool_are_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_file(tmp_path, pool=BAD)
    assert metasynth("validate", path) == 0
    told = capsys.readouterr().out
    assert "3 rows, 4 bad (line 1: not JSON; line 3: the problem is empty; line 4: missing" in told
    assert "and 1 more" in told
    plan = plan_run(load_run_config(path))
    assert plan.active is not None
    assert [row.id for row in plan.active.pool.rows] == ["pool-1", "text", "pool-2"]
    assert plan.active.pool.bad[-1].reason == "the id 'pool-1' stands on line 2 already"
    parted = plan.active.pool.rows[1]
    assert [turn.content for turn in parted.messages] == [
        "How many lamps?",
        "Solution: It is 4 - 1 = 3.",
    ]


def test_a_pool_without_a_row_is_refused(tmp_path: Path) -> None:
    path = run_file(tmp_path, pool=["nothing"])
    with raises(ConfigError, "empty_pool"):
        plan_run(load_run_config(path))


def test_all_rows_asked_for_may_be_kept_where_no_other_number_is_given(tmp_path: Path) -> None:
    path = run_file(tmp_path)
    assert load_run_config(path).budget.records == 8
    assert load_run_config(path, ["active.rounds=5"]).budget.records == 20
    assert load_run_config(path, ["budget.records=3"]).budget.records == 3


def test_the_identity_is_that_of_the_rows_and_not_of_how_many_rounds(tmp_path: Path) -> None:
    path = run_file(tmp_path)
    identity = plan_run(load_run_config(path)).identity
    assert plan_run(load_run_config(path, ["active.rounds=5"])).identity == identity
    assert plan_run(load_run_config(path, ["active.arm=random"])).identity != identity
    with (tmp_path / "pool.jsonl").open("a") as pool:
        pool.write(json.dumps({"prompt": "One more?"}) + "\n")
    assert plan_run(load_run_config(path)).identity != identity


async def test_a_row_without_a_score_is_never_chosen(tmp_path: Path) -> None:
    rows = [pool_row(number) for number in range(6)]
    rows += [{"id": "bare", "prompt": "Who is there?"}, {"id": "long", "prompt": "how " * 5000}]
    run_file(tmp_path, pool=[json.dumps(row) for row in rows])
    with OpenAIServer(ProblemTeacher()) as server:
        rounds = Rounds(tmp_path, server, active__pool__scoring__criterion="loss_gold")
        await rounds(active__rounds=1, active__rows_per_round=6)
    chosen = {one["seed_ids"][0] for one in rounds.lines(1, "selected.jsonl")}
    assert chosen == {f"pool-{number}" for number in range(6)}
    told = rounds.round(1)["seeds"]
    assert (told["pool"], told["scored"]) == (8, 6)
    assert sum(told["unscored"].values()) == 2


@pytest.mark.parametrize("strategy", ["softmax", "k_center", "badge"])
async def test_other_strategies_keep_away_from_earlier_rounds(
    strategy: str, tmp_path: Path
) -> None:
    with OpenAIServer(ProblemTeacher()) as server:
        rounds = Rounds(tmp_path, server, active__pool__selection__strategy=strategy)
        await rounds(active__pool__children=2)
    chosen = []
    for number in (1, 2):
        ids = [one["seed_ids"][0] for one in rounds.lines(number, "selected.jsonl")]
        assert ids[:2] == ids[2:]  # two rows are asked for with each seed
        chosen.append(set(ids))
    if strategy == "k_center":
        assert not chosen[0] & chosen[1]


async def test_a_judge_is_asked_through_the_ledger(tmp_path: Path) -> None:
    def respond(request: dict[str, Any]) -> Any:
        if "Grade an answer" in str(request["messages"]):
            return "It will do. Grade: 4"
        return teacher(request)

    teacher = ProblemTeacher()
    with OpenAIServer(respond) as server:
        rounds = Rounds(tmp_path, server, active__pool__scoring__criterion="judge")
        await rounds(active__rounds=1)
    spent = rounds.round(1)["spent"]
    assert spent["calls"] - spent["judge_calls"] == ROWS
    assert spent["judge_calls"] == POOL + rounds.round(1)["children"]["scored"]
    assert 0 < spent["judge_tokens"] < spent["tokens"]


async def test_a_conductor_writes_from_the_selected_seeds(tmp_path: Path) -> None:
    with OpenAIServer(Teacher()) as server:
        rounds = Rounds(tmp_path, server, active__generate="conductor", concurrency=3)
        workspace = await rounds(gate__min_words=20, active__rounds=1)
        calls = len(server.requests)
        await rounds(gate__min_words=20, active__rounds=1)  # all is there already
        assert len(server.requests) == calls
    records = bodies(workspace)
    assert sorted(records) == [f"r01s{place:03d}-00001" for place in range(1, ROWS + 1)]
    for name, record in records.items():
        chosen = rounds.lines(1, "selected.jsonl")[int(name[4:7]) - 1]
        assert record.seed_ids == chosen["seed_ids"]
        assert record.seed_score is not None
    told = rounds.round(1)
    assert told["accepted"] > 0
    assert (
        told["children"]["scored"] + sum(told["children"]["unscored"].values()) == told["accepted"]
    )


SOFT = {
    "active__generate": "softsrv",
    "softsrv__target__file": "pool.txt",
    "softsrv__prompt__tokens": 24,
    "softsrv__prompt__hidden": 8,
    "softsrv__prompt__init": "text",
    "softsrv__prompt__init_text": (
        "'<|sys|>You are the Domain Expert.<|user|>Write a word "
        "problem.<|doc|>keywords: garden, tulip, rake<|ai|>'"
    ),
    "softsrv__training__learning_rate": 0.001,
    "softsrv__training__steps": 4,
    "softsrv__training__batch_size": 4,
    "softsrv__training__warmup": 1,
    "softsrv__training__evaluate_every": 4,
    "softsrv__sampling__temperature": 0.5,
    "softsrv__sampling__max_new_tokens": 80,
}


@pytest.mark.parametrize(("contexts", "count"), [("select", 2), ("interpolate", 1)])
async def test_softsrv_decodes_what_the_teacher_answers(
    contexts: str, count: int, tmp_path: Path
) -> None:
    run_file(tmp_path)
    target = tmp_path / "pool.txt"
    target.write_text("\n".join(pool_row(number)["prompt"] for number in range(POOL)) + "\n")
    given = {**SOFT, "softsrv__target__file": target, "active__clusters": 2}
    with OpenAIServer(ProblemTeacher()) as server:
        rounds = Rounds(tmp_path, server, **given)
        workspace = await rounds(active__contexts=contexts, active__rounds=count)
        asked = len(server.requests)
    records = bodies(workspace)
    assert len(records) == count * ROWS
    junk = sum((record.reason or "").startswith("junk") for record in records.values())
    assert asked == count * ROWS - junk
    for name, record in records.items():
        chosen = rounds.lines(int(name[1:3]), "selected.jsonl")[int(name[-5:]) - 1]
        assert record.parent_ids == record.seed_ids == chosen["seed_ids"]
        assert len(chosen["seed_ids"]) == (2 if contexts == "interpolate" else 1)
        assert record.source == "softsrv"
        assert record.generation.models["softsrv"] == "embedded"
    gates = {gate["name"]: gate for gate in rounds.round(count)["gates"]}
    assert {"context", "prediction", "manifold"} <= set(gates)
    assert all(len(gate["value"]) == 3 for gate in gates.values())


READ = {
    "plain": ("Problem: How many?\nSolution: Two.", ("How many?", "Two.")),
    "emphasised": ("**Problem:** How many?\n\n**Solution:** Two.", ("How many?", "Two.")),
    "headings": ("## Problem\nHow many?\n## Solution\nTwo.", ("How many?", "Two.")),
    "no label": ("How many? Solution: Two.", ("How many?", "Two.")),
    "the word alone is no mark": ("Which solution is it?", ("Which solution is it?", "")),
    "talk before": ("Sure!\nProblem: How many?\nSolution: Two.", ("How many?", "Two.")),
}


@pytest.mark.parametrize("case", READ)
def test_a_reply_is_read_by_its_marks(case: str) -> None:
    reply, parts = READ[case]
    request = Request("", "Problem:", "Solution:", keeps_mark=False, temperature=1.0)
    assert read_problem(reply, request) == parts
    kept = read_problem(reply, request._replace(keeps_mark=True))
    assert kept == (parts[0], f"Solution: {parts[1]}" if parts[1] else "")


def test_the_summary_has_a_line_for_each_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with OpenAIServer(ProblemTeacher()) as server:
        assert metasynth(*active_run(tmp_path, server.base_url), "--out", out) == 0
        told = capsys.readouterr().out
        assert "ended because   rounds: all are done" in told
        assert "arm active, seeds chosen by loss_self, rows by teacher" in told
        head, *lines = told[told.index("round  asked") :].splitlines()[:4]
        assert head.split()[-3:] == ["accuracy", "test", "loss"]
        assert [line.split()[0] for line in lines] == ["0", "1", "2"]
        record = json.loads((out / "corpus.jsonl").read_text().splitlines()[0])
        assert metasynth("explain", out, record["id"]) == 0
        story = capsys.readouterr().out
        assert "seed's score loss_self" in story
        assert "How many are left?" in story
