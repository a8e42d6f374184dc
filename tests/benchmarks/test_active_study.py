"""The study of active selection: pools, the control, what is computed, resuming."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.active_arms import ARMS, choose, length_matched, permuted
from benchmarks.active_pools import (
    ASKED,
    BEYOND,
    POOLS,
    Sizes,
    Teacher,
    easy_items,
    is_correct,
    questions,
    seed_pool,
    test_items,
)
from benchmarks.active_report import drawing, fidelities, report
from benchmarks.active_results import (
    NEVER,
    append_run,
    area,
    fidelity_of,
    paired,
    read_runs,
    rows_needed,
    rows_to_reach,
)
from benchmarks.active_rounds import Plan, Run, base_rows, base_student, carry_out
from benchmarks.active_student import new_student, right, train
from benchmarks.active_study import RESULTS, missing, work
from metasynth.domains.skills import SKILLS
from metasynth.student.rendering import Renderer
from metasynth.student.scoring.own_answers import AnswerDecoder, Question

test_items.__test__ = False  # type: ignore[attr-defined]
SIZES = Sizes(seeds=80, test=48)
PLAN = Plan(sizes=SIZES, width=16, layers=1, base_rows=48, base_steps=3, rounds=2, rows=10, steps=2)


def test_pools_share_what_can_be_learnt() -> None:
    asked = questions(test_items(SIZES, 1))
    pools = {name: seed_pool(name, SIZES, 1, forbidden=asked) for name in POOLS}
    noise = [item for item in pools["unlearnable"] if item.is_noise]
    assert 15 <= len(noise) <= 20
    assert not any(is_correct(item) for item in noise)
    assert pools["checked"] == [item for item in pools["unlearnable"] if not item.is_noise]
    assert all(is_correct(item) and item.level in ASKED for item in pools["learnable"])
    for pool in pools.values():
        assert len({item.row.id for item in pool}) == len(pool)
        assert not questions(pool) & asked


def test_a_start_draws_the_same_again_and_another_does_not() -> None:
    assert seed_pool("unlearnable", SIZES, 1, forbidden=()) == seed_pool(
        "unlearnable", SIZES, 1, forbidden=()
    )
    assert test_items(SIZES, 1) != test_items(SIZES, 2)


def test_the_test_asks_every_skill_as_often_and_nothing_twice() -> None:
    items = test_items(SIZES, 3)
    assert [sum(item.skill == skill for item in items) for skill in SKILLS] == [4] * len(SKILLS)
    assert len(questions(items)) == len(items) == 48
    assert all(is_correct(item) for item in items)


def test_neither_teacher_nor_base_touches_the_test() -> None:
    asked = questions(test_items(Sizes(test=960), 1))
    rng, teacher = random.Random(0), Teacher(asked)
    written = [teacher.write(rng, skill="after", level=2) for _ in range(200)]
    assert not questions(written) & asked
    assert teacher.repeated >= 200 - 90  # there are no more numbers of two digits
    assert not questions(easy_items(600, 1, forbidden=asked)) & asked


def test_a_child_is_another_item_of_the_same_kind() -> None:
    teacher = Teacher()
    for skill in SKILLS:
        seed = teacher.write(random.Random(1), skill=skill, level=BEYOND)
        child = teacher.child(random.Random(2), seed)
        assert (child.skill, child.level) == (seed.skill, seed.level)
        assert child.row.prompt != seed.row.prompt
        assert child.is_noise
        assert not is_correct(child)


def test_permuted_scores_are_the_same_scores_and_know_nothing_of_the_order() -> None:
    scores = {f"row-{n}": float(n) for n in range(50)}
    dealt = permuted(scores, seed=1)
    assert sorted(dealt.values()) == sorted(scores.values())
    assert dealt != scores
    assert permuted(dict(reversed(scores.items())), seed=1) == dealt
    assert permuted(scores, seed=2) != dealt


# `learnable` has short trainings, whose tests are the library's
@pytest.mark.parametrize("name", [name for name in ARMS if ARMS[name].criterion != "learnable"])
def test_every_arm_chooses_as_many_different_seeds(name: str) -> None:
    pool = seed_pool("unlearnable", SIZES, 1, forbidden=())
    rows = [item.row for item in pool]
    arm = ARMS[name]
    if arm.selection.clusters is not None:
        arm = replace(arm, selection=arm.selection.model_copy(update={"clusters": 4}))
    student = new_student(seed=1, width=16, layers=1)
    chosen = choose(arm, student, rows, rows[:5], 12, seed=3)
    assert len(set(chosen.ids)) == 12
    assert set(chosen.ids) <= {row.id for row in rows}
    again = choose(arm, student, rows[::-1], rows[:5], 12, seed=3)
    assert again.ids == chosen.ids
    assert (chosen.tokens > 0) == (name not in ("static", "random"))


def test_right_is_what_the_student_would_answer() -> None:
    student = new_student(seed=1, width=16, layers=1)
    rows = [item.row for item in test_items(SIZES, 1)]
    train(student, rows[:4], steps=100, rate=1e-2, seed=1)
    renderer = Renderer(student)
    asked = [Question(row.id, renderer.prompt_ids(row)) for row in rows]
    with AnswerDecoder(student, max_new_tokens=8, temperature=0, seed=0) as decoder:
        said = [one.text if one.ended else None for one in decoder.answers(asked)]
    hits = [text == row.answer for row, text in zip(rows, said, strict=True)]
    assert 0 < sum(hits) < len(rows)
    assert right(student, rows) == hits


def test_rows_to_reach_a_level() -> None:
    rows = [0, 100, 200, 300]
    assert rows_to_reach(rows, [0.2, 0.4, 0.3, 0.7], 0.5) == pytest.approx(250)
    assert rows_to_reach(rows, [0.2, 0.4, 0.3, 0.7], 0.4) == pytest.approx(100)
    assert rows_to_reach(rows, [0.2, 0.4, 0.3, 0.7], 0.1) == 0
    assert rows_to_reach(rows, [0.2, 0.4, 0.3, 0.7], 0.8) == NEVER
    assert area([0.0, 1.0, 1.0]) == pytest.approx(0.75)


def test_rows_needed_and_differences_go_by_start() -> None:
    static = {start: [0.2, 0.3, 0.6] for start in range(5)}
    quick = {start: [0.2, 0.6, 0.8] for start in range(5)}
    assert rows_needed([0, 100, 200], quick, static) == pytest.approx((100, 100, 100))
    assert rows_needed([0, 100, 200], static, quick).value == NEVER
    one = {1: 0.5, 2: 0.6, 3: 0.7, 4: 0.8}
    other = {1: 0.4, 2: 0.5, 3: 0.6, 4: 0.7, 5: 0.0}
    assert paired(one, other) == pytest.approx((0.1, 0.1, 0.1))


def test_arms_differ_in_nothing_but_their_choice(tmp_path: Path) -> None:
    runs = [carry_out(PLAN, Run("unlearnable", arm, 1), tmp_path) for arm in ("static", "margin")]
    told = [
        [(one["round"], one["rows"], one["steps"], one["seeds"]) for one in run["rounds"]]
        for run in runs
    ]
    assert told[0] == told[1]
    assert [one["rows"] for one in runs[0]["rounds"]] == [0, 10, 20]
    assert runs[0]["rounds"][0]["accuracy"] == runs[1]["rounds"][0]["accuracy"]
    assert sum(runs[1]["rounds"][1]["picks"].values()) == PLAN.rows


def test_scores_of_parents_stand_beside_those_of_their_children(tmp_path: Path) -> None:
    runs = [carry_out(PLAN, Run("learnable", "loss_gold", start), tmp_path) for start in (1, 2)]
    assert [len(one.get("pairs") or ()) for one in runs[0]["rounds"]] == [0, 10, 10]
    found = fidelity_of(runs, "learnable", "loss_gold")
    assert found is not None
    assert (found.pairs, len(found.cells)) == (40, 4)
    assert "| loss_gold | " in fidelities(runs, ["loss_gold", "static"], "learnable")
    assert all(one["tested"] == 48 for one in runs[0]["rounds"])


def test_length_matched_takes_as_many_of_each_tenth() -> None:
    rows = [item.row for item in seed_pool("learnable", SIZES, 1, forbidden=())][:80]
    scores = {row.id: float(len(row.prompt[0].content)) for row in rows}  # the longest, if it could
    chosen = length_matched(rows, scores, 20)
    assert len(set(chosen)) == 20
    assert chosen == length_matched(rows[::-1], scores, 20)
    lengths = sorted(len(row.prompt[0].content) + len(row.answer) for row in rows)
    of_chosen = [len(row.prompt[0].content) + len(row.answer) for row in rows if row.id in chosen]
    assert sum(one <= lengths[len(lengths) // 2] for one in of_chosen) >= 8


def test_a_base_is_trained_once(tmp_path: Path) -> None:
    first, seconds = base_student(PLAN, 1, tmp_path)
    again, told = base_student(PLAN, 1, tmp_path)
    assert told == pytest.approx(seconds, abs=0.01)
    pairs = zip(first.model.parameters(), again.model.parameters(), strict=True)
    assert all(bool((one == other).all()) for one, other in pairs)
    assert len(list(tmp_path.iterdir())) == 1
    assert len(base_rows(PLAN, 1)) == PLAN.base_rows


def test_a_study_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    wanted = [Run("learnable", arm, start) for arm in ("static", "random") for start in (2, 1)]
    assert [run.start for run in missing(tmp_path, PLAN, wanted)] == [1, 1, 2, 2]
    assert "learnable static 2: " in work(PLAN, wanted[0], tmp_path)
    with (tmp_path / RESULTS).open("a") as file:
        file.write('{"pool": "learnable", "arm": "sta')  # killed while it wrote
    assert wanted[0] not in missing(tmp_path, PLAN, wanted)
    work(PLAN, wanted[1], tmp_path)
    assert missing(tmp_path, PLAN, wanted) == wanted[2:][::-1]
    assert missing(tmp_path, replace(PLAN, steps=3), wanted) != []
    assert len(read_runs(tmp_path / RESULTS, PLAN.fingerprint)) == 2


def test_a_run_is_the_same_again(tmp_path: Path) -> None:
    runs = [carry_out(PLAN, Run("learnable", "loss_self", 1), tmp_path) for _ in range(2)]
    accuracies = [[one["accuracy"] for one in run["rounds"]] for run in runs]
    assert accuracies[0] == accuracies[1]
    assert runs[0]["rounds"][1]["picks"] == runs[1]["rounds"][1]["picks"]


def test_the_report_tells_each_arm(tmp_path: Path) -> None:
    path = tmp_path / RESULTS
    for start in range(4):
        for arm, gain in (("static", 0.0), ("random", 0.0), ("entropy", 0.2)):
            append_run(path, _made_up(arm, start, gain))
    runs = read_runs(path, "made up")
    told = report(runs, list(ARMS), POOLS)
    assert "| entropy | 4 | 0.300 | 0.700 | 0.500 | 0.700 [0.653, 0.743] |" in told
    assert "score fidelity" not in told
    assert "| entropy | +0.200 [+0.200, +0.200] |" in told
    assert "| 50 [50, 50] |" in told
    assert "4 of 4" in told
    assert drawing(runs, list(ARMS), POOLS).count("<polyline") >= 6


def _made_up(arm: str, start: int, gain: float) -> dict[str, Any]:
    rounds = [
        {
            "rows": 100 * n,
            "tested": 100,
            "accuracy": 0.3 + n * (0.2 + gain),
            "skills": {"sort": 0.5},
            "noise": None if n == 0 or arm == "static" else 0.25,
            "seeds": 10,
            "scoring_seconds": 0.1,
            "scoring_tokens": 100,
        }
        for n in range(2)
    ]
    named = {"pool": "learnable", "arm": arm, "start": start, "plan": "made up"}
    return {**named, "rounds": rounds, "cpu_seconds": 1.0, "base_cpu_seconds": 1.0}
