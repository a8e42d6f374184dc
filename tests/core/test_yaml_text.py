"""Whatever a person's YAML says: a value, or one line with file and line."""

import os
from pathlib import Path

import pytest

from metasynth.agents.roles.reading import load_role
from metasynth.config.file import load_run_config
from metasynth.errors import ConfigError
from metasynth.softsrv.baselines.task_templates import load_templates
from metasynth.yaml_text import parse_yaml
from tests.commands import metasynth
from tests.raising import raises

WRONG = {
    "a date that is none": "2024-13-45",
    "a number that is none": "!!int abc",
    "an empty number": "!!int ''",
    "a time that is none": "!!timestamp abc",
    "a truth that is none": "!!bool abc",
    "6,000 digits": "9" * 6000,
    "1,500 brackets": "[" * 1500 + "]" * 1500,
    "a surrogate": '"\\ud800"',
    "a NUL": '"a\\0b"',
    "a tag of Python": "!!python/object/apply:os.getcwd []",
    "itself": "&a [*a]",
    "a key that is a list": "{[1]: 2}",
    "a key that stands twice": "{b: 1, b: 2}",
    "an alias of nothing": "*nothing",
    "a control character": "\x01",
}
BILLIONS = "a: &a0 [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_every_reader_tells_file_and_line(
    value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(f"name: x\nrandom_seed: {value}\n", encoding="utf-8", newline="\n")
    for read in (load_run_config, load_role, lambda path: load_templates(str(path))):
        with pytest.raises(ConfigError) as told:
            read(path)
        assert str(path) in told.value.message
        assert "\n" not in told.value.message
    good = tmp_path / "good.yaml"
    good.write_text("domain: d\nseeds: {keywords: [a]}\n")
    assert metasynth("validate", path) == 2
    assert metasynth("validate", good, "--set", f"random_seed={value}") == 2
    first, second = capsys.readouterr().err.splitlines()
    assert str(path) in first and str(good) in second


def test_lines_and_codes() -> None:
    with raises(ConfigError, "duplicate_key") as told:
        parse_yaml("a: 1\nteacher: x\nb: 2\nteacher: y\n", where="f.yaml")
    assert told.value.message == "f.yaml, line 4: key 'teacher' stands twice"
    with raises(ConfigError, "not_yaml") as told:
        parse_yaml("a: 1\nb: 2024-13-45\n", where="f.yaml")
    assert told.value.message.startswith("f.yaml, line 2: no timestamp")
    with raises(ConfigError, "not_yaml"):
        parse_yaml(BILLIONS, where="f.yaml")


def test_what_is_right_is_read() -> None:
    text = "a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n1: one\n'1': text\nno: '\U0001f600'\n"
    assert parse_yaml(text, where="f")["d"] == {"b": 3, "c": 2}
    assert parse_yaml("", where="f") is None


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    for name in ("fifo", "loop", "folder", "latin"):
        for read in (load_run_config, load_role):
            with raises(ConfigError, "unreadable_file") as told:
                read(tmp_path / f"{name}.yaml")
            assert f"{name}.yaml" in told.value.message
        outer = tmp_path / "outer.yaml"
        outer.write_text(f"extends: {name}.yaml\n")
        with raises(ConfigError, "unreadable_file"):
            load_run_config(outer)
