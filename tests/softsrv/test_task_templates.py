"""Templates: the packaged ones, a user's own, and how a wrong one is told."""

from pathlib import Path

import pytest

from metasynth.errors import ConfigError
from metasynth.softsrv.baselines.task_templates import (
    PROMPT_NAMES,
    check_template,
    load_templates,
    packaged_tasks,
    render_answer,
)
from tests.raising import raises

FILLED = {"exemplar": "{{ 7 * 7 }} lamps?", "count": 10, "question": "Q{%", "critique": "C"}
OWN = "name: own\ndiverse: |\n  Like {{ exemplar }}, {{ count }} times.\n"


def test_there_are_three_tasks() -> None:
    assert packaged_tasks() == ["code", "mathematics", "reading"]


@pytest.mark.parametrize("task", packaged_tasks())
def test_a_packaged_task_has_every_prompt_and_values_stay_data(task: str) -> None:
    templates = load_templates(task)
    assert templates.name == task
    for name in PROMPT_NAMES:
        prompt = templates.render(name, **FILLED)
        assert any(str(value) in prompt for value in FILLED.values()), name
        assert "49" not in prompt
    for name in ("diverse", "single"):
        assert templates.render(name, **FILLED).endswith("\n\nQuestion 1:")
    assert "Write 10 different" in templates.render("diverse", **FILLED)
    assert "single word Stop" in templates.render("refine", **FILLED)


def test_a_file_may_hold_what_its_method_needs_alone(tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text(OWN, encoding="utf-8")
    templates = load_templates(str(tmp_path / "own.yml"))
    assert templates.render("diverse", exemplar="this", count=3) == "Like this, 3 times."
    with raises(ConfigError, "missing_key", "'own'", "'critique'"):
        templates.render("critique", question="?")


WRONG = {
    "not YAML": ("name: [\n", "not_yaml", "own.yaml, line 2: "),
    "no mapping": ("- name\n", "not_a_mapping", "own.yaml: "),
    "no name": ("single: '{{ exemplar }}'\n", "invalid_value", "own.yaml: key 'name'"),
    "unknown key": (
        OWN + "divers: x\n",
        "invalid_value",
        "line 4: unknown key 'divers' (did you mean 'diverse'?)",
    ),
    "wrong type": (OWN + "single: [1]\n", "invalid_value", "line 4: single: "),
    "unknown variable": (
        OWN + "single: '{{ exemplar }} {{ topic }}'\n",
        "unknown_variable",
        "line 4: single: unknown variable 'topic'; it may mention exemplar",
    ),
    "without its variable": (
        OWN + "answer: Solve it.\n",
        "missing_variable",
        "answer: does not mention {{ question }}",
    ),
    "not a template": (OWN + "single: '{{ exemplar'\n", "bad_template", "line 4: single: "),
    "fails when filled": (
        OWN + "single: '{{ exemplar // 0 }}'\n",
        "bad_template",
        "line 4: single: ",
    ),
    "reaches outside": (
        OWN + "single: '{{ exemplar.__class__.__mro__ }}'\n",
        "bad_template",
        "single: ",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_with_file_and_key(case: str, tmp_path: Path) -> None:
    text, code, fact = WRONG[case]
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with raises(ConfigError, code, path, fact):
        load_templates(str(path))


def test_unknown_tasks_and_missing_files_are_told() -> None:
    with raises(ConfigError, "unknown_task", "'algebra'", "code, mathematics"):
        load_templates("algebra")
    with raises(ConfigError, "missing_file", "nowhere.yaml"):
        load_templates("nowhere.yaml")


def test_an_answer_template_of_the_run_file_is_checked_alone() -> None:
    check_template("Solve: {{ question }}", "answer", where="softsrv.answers.template")
    assert render_answer("Solve: {{ question }}", "{{ x }}") == "Solve: {{ x }}"
    with raises(ConfigError, "unknown_variable", "softsrv.answers.template: ", "'seed'"):
        check_template("{{ question }} {{ seed }}", "answer", where="softsrv.answers.template")
