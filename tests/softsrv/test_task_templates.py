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

FILLED = {"exemplar": "{{ 7 * 7 }} lamps?", "count": 10, "question": "Q{%", "critique": "C"}
OWN = "name: own\ndiverse: |\n  Like {{ exemplar }}, {{ count }} times.\n"


def refusal(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_templates(str(path))
    assert caught.value.exit_status == 2
    assert "\n" not in caught.value.message
    return caught.value.message


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
    with pytest.raises(ConfigError, match="templates 'own': key 'critique' is needed"):
        templates.render("critique", question="?")


WRONG = {
    "not YAML": ("name: [\n", "own.yaml, line 2: "),
    "no mapping": ("- name\n", "own.yaml: expected a mapping of prompts, got list"),
    "no name": ("single: '{{ exemplar }}'\n", "own.yaml: key 'name' is needed"),
    "unknown key": (OWN + "divers: x\n", "line 4: unknown key 'divers' (did you mean 'diverse'?)"),
    "wrong type": (OWN + "single: [1]\n", "line 4: single: Input should be a valid string"),
    "unknown variable": (
        OWN + "single: '{{ exemplar }} {{ topic }}'\n",
        "line 4: single: unknown variable 'topic'; it may mention exemplar",
    ),
    "without its variable": (
        OWN + "answer: Solve it.\n",
        "answer: does not mention {{ question }}",
    ),
    "not a template": (OWN + "single: '{{ exemplar'\n", "line 4: single: unexpected end"),
    "fails when filled": (OWN + "single: '{{ exemplar // 0 }}'\n", "line 4: single: "),
    "reaches outside": (OWN + "single: '{{ exemplar.__class__.__mro__ }}'\n", "single: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_with_file_and_key(case: str, tmp_path: Path) -> None:
    text, expected = WRONG[case]
    said = refusal(tmp_path, text)
    assert expected in said
    assert "own.yaml" in said


def test_unknown_tasks_and_missing_files_are_told() -> None:
    with pytest.raises(ConfigError, match="no task 'algebra'; there are code, mathematics"):
        load_templates("algebra")
    with pytest.raises(ConfigError, match=r"no such file: nowhere\.yaml"):
        load_templates("nowhere.yaml")


def test_an_answer_template_of_the_run_file_is_checked_alone() -> None:
    check_template("Solve: {{ question }}", "answer", where="softsrv.answers.template")
    assert render_answer("Solve: {{ question }}", "{{ x }}") == "Solve: {{ x }}"
    with pytest.raises(ConfigError, match=r"softsrv\.answers\.template: unknown variable 'seed'"):
        check_template("{{ question }} {{ seed }}", "answer", where="softsrv.answers.template")
