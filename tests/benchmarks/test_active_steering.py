"""The 2 x 2 study: what the checker refuses, and that all four arms have the same rows."""

from pathlib import Path

import pytest

from benchmarks import steering_study
from benchmarks.active_pools import Sizes
from benchmarks.active_results import append_run, read_runs
from benchmarks.active_rounds import Plan, Run
from benchmarks.steering_study import STEERED, SteeredStudy, carry_out, tables
from metasynth.config.softsrv import TrainingConfig

PLAN = Plan(
    sizes=Sizes(seeds=60, test=24),
    width=16,
    layers=1,
    base_rows=48,
    base_steps=2,
    rounds=1,
    rows=8,
    steps=2,
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    training = TrainingConfig(learning_rate=1e-3, steps=4, warmup=1, evaluate_every=4)
    settings = steering_study.SETTINGS.model_copy(update={"training": training})
    monkeypatch.setattr(steering_study, "SETTINGS", settings)
    monkeypatch.setattr(steering_study, "BACKBONE_STEPS", 120)


def test_the_checker_refuses_what_is_no_new_question(tmp_path: Path, quick: None) -> None:
    study = SteeredStudy(PLAN, Run("learnable", "softsrv_random", 1), tmp_path)
    seed = next(iter(study.seeds.values()))
    for question in ("reverse 12", "cook ABC", "", study.test[0].question, seed.question):
        assert study.admitted(question, repeats=False) is None
    item = study.admitted("reverse ABCDEFG", repeats=False)
    assert item is not None
    assert (item.skill, item.row.answer) == ("reverse", "GFEDCBA")
    assert study.admitted("reverse ABCDEFG", repeats=False) is None
    assert study.admitted("reverse ABCDEFG", repeats=True) is not None
    assert (study.drawn, study.refused) == (8, 6)


def test_all_arms_have_the_same_rows_and_are_told(tmp_path: Path, quick: None) -> None:
    for start in (1, 2):
        for arm in STEERED:
            found = carry_out(PLAN, Run("learnable", arm, start), tmp_path)
            assert sum(found["rounds"][1]["picks"].values()) == PLAN.rows
            assert (found["drawn"] > 0) == arm.startswith("softsrv")
            append_run(tmp_path / "results.jsonl", found)
    told = tables(read_runs(tmp_path / "results.jsonl", PLAN.fingerprint))
    assert "| softsrv_loss − softsrv_random |" in told
    assert "prediction" in told
