"""The paths of a run file: relative to it, wherever a command is started; a hub id is none."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from metasynth.config.file import load_run_config
from metasynth.config.marks import RelativeToFile, sections_in
from metasynth.config.run import RunConfig
from metasynth.errors import ConfigError
from tests.raising import raises

RUN = """\
extends: base/base.yaml
domain: d
seeds: {documents: "texts/*.txt"}
template: {exemplars: real, grade: exemplars}
roles: [own, library:law]
plugins: parts
checker: rules.py:check
memory: {embedder: embedder}
teacher: {model: local:models/teacher}
conductor: {model: local:./conductor}
student: {model: local:org/name}
softsrv:
  artifact: steering
  task: own.yaml
  target: {file: rows.jsonl}
  backbone: {model: local:models/teacher}
  encoder: {model: lm:models/teacher}
  postprocess: {contaminants: [test.jsonl, ~/seen.jsonl]}
active:
  candidates: {scoring: {criterion: reward, reward_model: models/teacher}}
  pool: {path: pool.jsonl, scoring: {criterion: reward, reward_model: org/judge}}
  test: {path: ../test.jsonl, checker: rules.py}
"""


def fields_with_paths(section: type[BaseModel]) -> dict[str, bool]:
    """Every field that holds a `Path`, and whether it says that it is relative to the file."""
    fields = {}
    for name, field in section.model_fields.items():
        if Path in (field.annotation, *get_args(field.annotation)):
            marked = any(isinstance(mark, RelativeToFile) for mark in field.metadata)
            fields[f"{section.__name__}.{name}"] = marked
        for inner in sections_in(field.annotation):
            fields |= fields_with_paths(inner)
    return fields


def test_no_field_for_a_path_lacks_the_mark() -> None:
    fields = fields_with_paths(RunConfig)
    assert fields and all(fields.values()), fields


def test_every_path_is_relative_to_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, run, elsewhere = (tmp_path / name for name in ("home", "run", "elsewhere"))
    for name in ("own", "parts", "embedder", "models/teacher", "conductor", "steering", "base"):
        (run / name).mkdir(parents=True)
    for folder in (home, elsewhere):
        folder.mkdir()
    for file in (run / "rows.jsonl", run / "pool.jsonl", run / "test.jsonl", home / "seen.jsonl"):
        file.touch()
    (tmp_path / "test.jsonl").touch()
    (run / "run.yaml").write_text(RUN)
    (run / "base" / "keys.txt").write_text("a lamp")
    base = "domain: d\nactive: {pool: {path: keys.txt}}\nexperts: {model: 'local:./x'}\n"
    (run / "base" / "base.yaml").write_text(base)
    (run / "base" / "x").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    config = load_run_config(Path("../run/run.yaml"))
    assert config.seeds.documents == f"{run}/texts/*.txt"
    assert config.template.exemplars == f"{run}/real"
    assert config.roles == (f"{run}/own", "library:law")
    assert config.plugins == (run / "parts",)
    assert config.checker == f"{run}/rules.py:check"
    assert config.memory.embedder == f"{run}/embedder"
    assert config.teacher.model == f"local:{run}/models/teacher"
    assert config.conductor.model == f"local:{run}/conductor"
    assert config.experts.model == f"local:{run}/base/x"
    assert config.student.model == "local:org/name"
    assert (softsrv := config.softsrv) is not None and softsrv.target is not None
    assert softsrv.artifact == run / "steering"
    assert softsrv.task == f"{run}/own.yaml"
    assert softsrv.target.file == f"{run}/rows.jsonl"
    assert softsrv.backbone.model == f"local:{run}/models/teacher"
    assert softsrv.encoder.model == f"lm:{run}/models/teacher"
    assert softsrv.postprocess.contaminants == (run / "test.jsonl", home / "seen.jsonl")
    assert (active := config.active) is not None and active.candidates is not None
    assert active.candidates.scoring.reward_model == f"{run}/models/teacher"
    assert active.pool is not None and active.test is not None
    assert active.pool.path == run / "pool.jsonl"
    assert active.pool.scoring.reward_model == "org/judge"
    assert active.test.path.resolve() == tmp_path / "test.jsonl"
    assert active.test.checker == f"{run}/rules.py"


@pytest.mark.parametrize(
    "line",
    [
        "memory: {embedder: default}",
        "memory: {embedder: org/name}",
        "softsrv: {artifact: ., encoder: {model: backbone}}",
        "softsrv: {artifact: ., encoder: {model: org/name}}",
        "softsrv: {artifact: ., encoder: {model: lm:org/name}}",
        "softsrv: {artifact: ., target: {file: hf:org/name}, task: code}",
        "checker: story",
        "teacher: {model: openai:./name}",
    ],
)
def test_a_name_stays_what_it_is(tmp_path: Path, line: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"domain: d\nseeds: {{documents: hf:org/name}}\n{line}\n")
    config = load_run_config(file)
    assert config.seeds.documents == "hf:org/name"
    told = config.model_dump_json(exclude={"softsrv": {"artifact"}})
    assert str(tmp_path) not in told


def test_what_a_command_line_names_is_relative_to_where_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("domain: d\nseeds: {keywords: [a]}\n")
    (tmp_path / "here" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    config = load_run_config(file, ["teacher.model=local:./model"])
    assert config.teacher.model == "local:./model"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("seeds: {keywords_file: none.txt}", "missing_file"),
        ("memory: {embedder: ./none}", "missing_file"),
        ("teacher: {model: 'local:./none'}", "missing_file"),
        ("student: {model: 'local:/none'}", "missing_file"),
        ("active: {pool: {path: none.jsonl}}", "missing_file"),
        ("active: {candidates: {scoring: {reward_model: ../none}}}", "missing_file"),
        ("softsrv: {artifact: none}", "missing_file"),
        ("softsrv: {target: {file: none.jsonl}}", "missing_file"),
        ("roles: [library:law, none]", "missing_directory"),
        ("roles: [run.yaml]", "missing_directory"),
        ("plugins: none", "missing_directory"),
    ],
)
def test_what_is_not_there_is_refused_with_its_key(tmp_path: Path, line: str, code: str) -> None:
    file = tmp_path / "run.yaml"
    seeds = "" if line.startswith("seeds") else "seeds: {keywords: [a]}\n"
    file.write_text(f"domain: d\n{seeds}{line}\n")
    with raises(ConfigError, code) as raised:
        load_run_config(file)
    assert raised.value.message.startswith(f"{file}: {line.partition(':')[0]}")
