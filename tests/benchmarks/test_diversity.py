"""The study of diversity: its arms are run files, its intervals and signs are right."""

from pathlib import Path

import pytest

from benchmarks.diversity_arms import ARMS, WORLD, corpus_path, run_config, write_real
from benchmarks.diversity_report import interval, report
from benchmarks.diversity_study import DONE, is_done, write_report
from metasynth.compose.plan import plan_run
from metasynth.domains.catalogue import get_domain
from metasynth.eval.metric import all_metrics
from metasynth.eval.text_corpus import read_corpus


def test_every_arm_is_a_run_of_its_own(tmp_path: Path) -> None:
    write_real(tmp_path, [1], records=5)
    plans = [plan_run(run_config(name, 1, records=5, out=tmp_path)) for name in ARMS]
    assert len({plan.identity for plan in plans}) == len(ARMS)
    for plan in plans:
        assert plan.config.budget.records == 5
        assert plan.screening is None
        assert plan.config.seeds.keywords == plans[0].config.seeds.keywords


def test_what_stands_for_real_documents_is_sound_and_apart(tmp_path: Path) -> None:
    write_real(tmp_path, [1, 2], records=50)
    paths = [tmp_path / "exemplars.jsonl", *(corpus_path(tmp_path, WORLD, n) for n in (1, 2))]
    texts = [read_corpus(path).texts for path in paths]
    assert [len(one) for one in texts] == [64, 50, 50]
    assert len({text for one in texts for text in one}) == 164
    assert all(get_domain("story").check(text).passed for one in texts for text in one)


def test_the_interval_is_students() -> None:
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found is not None
    assert found == pytest.approx((3 - 1.9632432, 3 + 1.9632432))  # 2.7764451 * 1.5811388 / 5**0.5
    assert interval([1.0]) is None


def test_differences_are_paired_and_signed_by_what_is_better() -> None:
    def cells(value: float) -> dict[str, float | None]:
        return {**dict.fromkeys(all_metrics()), "self_bleu": value, "vendi_score": value}

    found = [
        {
            "seed": seed,
            "words": 1000,
            "warnings": ["a warning"],
            "arms": {"fixed": cells(seed), "metasynth": cells(seed + 1 + seed / 100)},
        }
        for seed in range(1, 6)
    ]
    lines = report(found, {}, {}, records=9).splitlines()
    start = lines.index("## Differences from `fixed`, paired by seed")
    row = next(line for line in lines[start:] if line.startswith("| metasynth"))
    assert row == "| metasynth | **+1.03 [1.01, 1.05]** (+) | **+1.03 [1.01, 1.05]** (-) |"
    assert "- a warning" in lines


def test_what_is_not_finished_is_not_in_the_tables(tmp_path: Path) -> None:
    assert write_report(tmp_path, [1, 2], records=5, probe=False) == "nothing is finished yet"
    folder = tmp_path / "fixed-1"
    folder.mkdir()
    (folder / DONE).write_text('{"asked": 5, "records": 5}')
    assert is_done("fixed", 1, 5, tmp_path)
    assert not is_done("fixed", 1, 6, tmp_path)
    assert not is_done("fixed", 2, 5, tmp_path)
