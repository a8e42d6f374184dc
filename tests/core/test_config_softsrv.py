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


def test_the_paper_asks_for_ten_at_temperature_two(tmp_path: Path) -> None:
    section = load(tmp_path, MINIMAL + TARGET, "softsrv.preset=paper").softsrv
    assert section is not None
    assert (section.baseline.per_call, section.baseline.temperature) == (10, 2.0)
    assert section.sampling.temperature == 1.0
