"""The `softsrv` section in a run file: what it needs, its paths, and whom it leaves unchanged."""

from pathlib import Path

import pytest

from metasynth.config.file import load_run_config
from metasynth.config.run import RunConfig
from metasynth.errors import ConfigError

MINIMAL = "domain: sums\ngraph: softsrv\n"
TARGET = "softsrv: {target: {file: rows.jsonl}}\n"
SEEDS = "seeds: {keywords: [a lamp]}\n"


def load(folder: Path, text: str, *overrides: str) -> RunConfig:
    (folder / "rows.jsonl").write_text('{"text": "How many?"}\n')
    path = folder / "run.yaml"
    path.write_text(text)
    return load_run_config(path, overrides)


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, *overrides)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_graph_needs_no_seeds_but_takes_them(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + TARGET).seeds.keywords == ()
    assert load(tmp_path, MINIMAL + TARGET + SEEDS).seeds.keywords == (("a lamp",),)


def test_other_graphs_need_them_still(tmp_path: Path) -> None:
    assert "give exactly one of keywords" in refusal(tmp_path, "domain: sums\n" + TARGET)


def test_every_path_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "steering").mkdir()
    (tmp_path / "test.jsonl").touch()
    config = load(
        tmp_path,
        MINIMAL
        + "softsrv:\n  artifact: steering\n  task: own.yaml\n  target: {file: rows.jsonl}\n"
        + "  backbone: {model: 'local:./lm'}\n  encoder: {model: 'lm:../e'}\n"
        + "  postprocess: {contaminants: [test.jsonl]}\n",
    )
    section = config.softsrv
    assert section is not None
    assert section.target is not None
    assert section.artifact == tmp_path / "steering"
    assert section.target.file == str(tmp_path / "rows.jsonl")
    assert section.task == str(tmp_path / "own.yaml")
    assert section.backbone.model == f"local:{tmp_path / 'lm'}"
    assert section.encoder.model == f"lm:{tmp_path / '../e'}"
    assert section.postprocess.contaminants == (tmp_path / "test.jsonl",)


WRONG = {
    "no section": (MINIMAL, "softsrv: graph softsrv needs this section"),
    "nothing to train on": (MINIMAL + "softsrv: {}\n", "softsrv.target: this key is needed"),
    "no exemplars": (
        MINIMAL + "softsrv: {method: template, artifact: .}\n",
        "softsrv.target: this key is needed, method template takes exemplars from it",
    ),
    "the tool of another method": (
        "domain: sums\n" + SEEDS + "softsrv: {method: template, target: {file: rows.jsonl}}\n",
        "softsrv.method: in the document graph the conductor samples from soft prompts",
    ),
    "the tool of nothing": (
        "domain: sums\n" + SEEDS + "softsrv: {preset: paper}\n",
        "softsrv.target: this key is needed to train on, or softsrv.artifact",
    ),
    "missing artifact": (
        MINIMAL + "softsrv: {artifact: nowhere}\n",
        "softsrv.artifact: no such file: ",
    ),
    "missing target": (
        MINIMAL + "softsrv: {target: {file: nowhere.jsonl}}\n",
        "softsrv.target.file: no such file: ",
    ),
    "missing contaminants": (
        MINIMAL + TARGET.replace("}}", "}, postprocess: {contaminants: [nowhere.jsonl]}}"),
        "softsrv.postprocess.contaminants: no such file: ",
    ),
    "unknown key": (
        MINIMAL + "softsrv: {target: {file: rows.jsonl, fields: text}}\n",
        "softsrv.target.fields: unknown key (did you mean 'field'?)",
    ),
    "unknown method": (
        MINIMAL + "softsrv: {method: hard, target: {file: rows.jsonl}}\n",
        "softsrv.method: Input should be 'soft', 'template'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_the_path_of_its_key(case: str, tmp_path: Path) -> None:
    text, expected = WRONG[case]
    assert expected in refusal(tmp_path, text)


def test_unconditional_samples_need_no_target(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + "softsrv: {method: unconditional}\n").softsrv is not None


class TestIdentity:
    def test_a_run_file_without_the_section_keeps_its_own(self, tmp_path: Path) -> None:
        """The hash that this run file had before there was such a section."""
        config = load(tmp_path, "domain: finance\n" + SEEDS)
        assert config.identity() == "979ea2c652f34f54"

    def test_where_a_model_computes_does_not_change_it(self, tmp_path: Path) -> None:
        base = load(tmp_path, MINIMAL + TARGET).identity()
        for change in ("softsrv.backbone.device=cpu", "softsrv.sampling.max_batch=3"):
            assert load(tmp_path, MINIMAL + TARGET, change).identity() == base

    def test_what_shapes_the_records_does(self, tmp_path: Path) -> None:
        changes = (
            "softsrv.sampling.count=7",
            "softsrv.method=template",
            "softsrv.training.steps=9",
            "softsrv.answers.style=none",
        )
        identities = {load(tmp_path, MINIMAL + TARGET, change).identity() for change in changes}
        assert len(identities | {load(tmp_path, MINIMAL + TARGET).identity()}) == 5

    def test_the_paper_asks_for_ten_at_temperature_two(self, tmp_path: Path) -> None:
        section = load(tmp_path, MINIMAL + TARGET, "softsrv.preset=paper").softsrv
        assert section is not None
        assert (section.baseline.per_call, section.baseline.temperature) == (10, 2.0)
        assert section.sampling.temperature == 1.0
