"""The study of instructions: its arms are run files of equal budget, its table is of questions."""

import json
from pathlib import Path
from typing import Any

from benchmarks.diversity_study import DONE
from benchmarks.instruct_study import ARMS, is_done, questions, report, run_config, write_report
from metasynth.compose.plan import plan_run
from metasynth.eval.metric import all_metrics
from metasynth.records.record import Message, Record


def test_the_arms_differ_in_their_graph_alone_and_end_with_their_tokens() -> None:
    plans = [plan_run(run_config(name, 1, tokens=5000)) for name in ARMS]
    assert [plan.config.graph for plan in plans] == list(ARMS)
    assert len({plan.identity for plan in plans}) == len(ARMS)
    first = plans[0].config
    for plan in plans:
        config = plan.config
        assert (config.budget.tokens, config.checker) == (5000, "story")
        assert config.model_for("experts") == first.model_for("experts")
        assert (config.gate, config.instruct) == (first.gate, first.instruct)
        assert len(plan.seeds) == 40
    texts = [[seed.text for seed in plan.seeds] for plan in plans]
    assert [text.partition(" Solution:")[0] for text in texts[0]] == texts[1] == texts[2]
    assert texts[0] == texts[3]


def test_an_arm_that_is_finished_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "instruct-1").mkdir()
    (tmp_path / "instruct-1" / DONE).write_text(json.dumps({"asked": 5000}))
    assert is_done("instruct", 1, 5000, tmp_path)
    assert not is_done("instruct", 1, 6000, tmp_path)
    assert write_report(tmp_path, [1], tokens=5000) == "no seed has all its arms finished yet"


def test_an_arm_without_records_enough_is_told_and_not_measured(tmp_path: Path) -> None:
    for name in ARMS:
        folder = tmp_path / f"{name}-1"
        folder.mkdir()
        turn = [Message(role="user", content="How many?"), Message(role="assistant", content="Two")]
        record = Record(id="r", kind="instruction", messages=turn)
        (folder / "corpus.jsonl").write_text(record.to_line())
        (folder / DONE).write_text(
            '{"asked": 9, "records": 1, "rejected": 3, "calls": 4, "tokens": 9, "cpu_seconds": 1}'
        )
    assert questions(tmp_path, "instruct", 1).texts == ["How many?"]
    told = write_report(tmp_path, [1], tokens=9)
    assert "- self_instruct 1: 1 accepted, too few to measure" in told
    assert "| instruct | 1 | 1 | 3 | 4.0 | 9 | 1.00 |" in told


def test_the_table_sets_the_baselines_beside_it() -> None:
    found: list[dict[str, Any]] = [
        {
            "seed": seed,
            "records": 30,
            "words": 900,
            "warnings": [],
            "arms": {
                name: {**dict.fromkeys(all_metrics()), "vendi_score": 10.0 - place + seed / 10}
                for place, name in enumerate(ARMS)
            },
        }
        for seed in (1, 2, 3)
    ]
    lines = report(found, {}, tokens=150_000).splitlines()
    assert any(line.startswith("| instruct | 10.2 ±") for line in lines)
    start = next(place for place, line in enumerate(lines) if "Differences" in line)
    assert any(line.startswith("| template_qa | **-3 [-3, -3]** (-)") for line in lines[start:])
