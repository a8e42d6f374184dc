"""Checkers by name: those of the domains, and functions in Python files of the user's."""

import json
from pathlib import Path

import pytest

from metasynth.agents.models.provider import PROVIDERS
from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.domains.checkers import checker_version, find_checker, load_checkers
from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.record import Message
from metasynth.student.rows import StudentRow
from metasynth.student.scoring.checking import make_checker
from metasynth.student.scoring.criterion import CRITERIA
from tests.commands import metasynth
from tests.raising import raises

EVEN = """\
import re
from dataclasses import dataclass


@dataclass
class Found:
    number: int


def check(text):
    numbers = [Found(int(each)) for each in re.findall(r"[0-9]+", text)]
    if not numbers:
        return None
    return numbers[-1].number % 2 == 0, f"ends with {numbers[-1].number}"


def odd(text):
    passed = check(text)
    return None if passed is None else not passed[0]
"""


@pytest.fixture
def even(tmp_path: Path) -> Path:
    path = tmp_path / "checks" / "even.py"
    path.parent.mkdir()
    path.write_text(EVEN, encoding="utf-8")
    return path


def test_a_function_of_the_users_says_right_wrong_or_nothing(even: Path) -> None:
    checker = find_checker(str(even))
    assert checker.check("it is 12").passed is True
    assert checker.check("it is 13").detail == "ends with 13"
    assert (checker.check("none").parsed, checker.check("none").passed) == (False, None)
    assert find_checker(f"{even}:odd").check("it is 13").passed is True


def test_names_of_domains_go_on_to_work() -> None:
    assert find_checker("story").check("no story").passed is None
    assert checker_version("story") is None
    with raises(RequestError, "unknown_checker", "'oracle'", "FILE.py:FUNCTION"):
        find_checker("oracle")


@pytest.mark.parametrize(
    ("text", "code", "fact"),
    [
        (
            "import nosuchmodule\ndef check(text): ...\n",
            "bad_checker",
            "(even.py, line 1)",
        ),
        ("def check(text:\n", "bad_checker", "line 1"),
        ("def other(text): ...\n", "unknown_checker", "'check'"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(
    even: Path, text: str, code: str, fact: str
) -> None:
    even.write_text(text, encoding="utf-8")
    with raises(RequestError, code, even, fact):
        load_checkers([str(even)])
    with raises(RequestError, "missing_file"):
        find_checker(str(even.with_name("other.py")))


@pytest.mark.parametrize(
    ("body", "code", "fact"),
    [
        ("return 1 / 0", "checker_failed", "(even.py, line 2)"),
        ("return 'yes'", "bad_answer", "'yes'"),
        ("return 1, 'x'", "bad_answer", "(1, 'x')"),
    ],
)
def test_a_check_that_fails_ends_the_work_with_one_line(
    even: Path, body: str, code: str, fact: str
) -> None:
    even.write_text(f"def check(text):\n    {body}\n", encoding="utf-8")
    with raises(MetaSynthError, code, fact):
        find_checker(str(even)).check("x")


def test_a_run_file_names_it_relative_to_itself_and_its_words_make_the_run(
    even: Path, tmp_path: Path
) -> None:
    run_file = tmp_path / "run.yaml"
    run_file.write_text("domain: d\nseeds: {keywords: [a]}\nchecker: checks/even.py:odd\n")
    first = plan_run(load_run_config(run_file))
    assert first.checker is not None
    assert first.checker.check("13").passed is True
    even.write_text(EVEN + "# another rule\n", encoding="utf-8")
    assert plan_run(load_run_config(run_file)).identity != first.identity


def test_validate_names_what_is_wrong_with_it(
    even: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_file = tmp_path / "run.yaml"
    run_file.write_text("domain: d\nseeds: {keywords: [a]}\nchecker: checks/even.py:nothing\n")
    assert metasynth("validate", run_file) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "checker: " in said and "no function 'nothing'" in said


EVIL = """\
from pathlib import Path
Path(__file__).with_suffix(".carried_out").touch()
"""
OWN_PROVIDER = """\
from metasynth.agents.models.provider import provider

@provider(priced=True, takes="NAME", follows_prompts=True)
def nobody(name, config):
    raise AssertionError
"""
OWN_CRITERION = """\
from metasynth.student.scoring.criterion import criterion

@criterion("1", hard="high", needs=("answer",))
def surprise(row, seed):
    return 1.0
"""


def test_validate_carries_out_nothing_that_a_run_file_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir()
    check = EVIL + "def check(text): return True\n"
    for name, text in (
        ("evil.py", check),
        ("test.py", check),
        ("own/nobody.py", EVIL + OWN_PROVIDER),
        ("own/surprise.py", EVIL + OWN_CRITERION),
    ):
        (tmp_path / name).write_text(text)
    row = {"messages": [{"role": r, "content": "2 + 2 = 4"} for r in ("user", "assistant")]}
    (tmp_path / "pool.jsonl").write_text(json.dumps(row) + "\n")
    run_file = tmp_path / "run.yaml"
    run_file.write_text(
        "graph: active\ndomain: d\nplugins: own\nteacher: {model: 'nobody:x'}\n"
        "checker: evil.py\nactive:\n  pool: {path: pool.jsonl, scoring: {criterion: surprise}}\n"
        "  test: {path: pool.jsonl, checker: test.py}\n"
    )
    try:
        assert metasynth("validate", run_file) == 0, capsys.readouterr().err
    finally:
        PROVIDERS.forget("nobody")
        CRITERIA.forget("surprise")
    assert not [*tmp_path.rglob("*.carried_out")]
    find_checker(str(tmp_path / "evil.py")).check("")
    assert (tmp_path / "evil.carried_out").exists()


def test_a_student_is_checked_by_it_too(even: Path) -> None:
    asked = Message(role="user", content="An even number?")
    row = StudentRow("r", messages=(asked, Message(role="assistant", content="4")))
    check = make_checker(str(even))
    assert check(row, "Solution: 8").passed is True
    assert check(row, "Solution: 9").passed is False
    with raises(RequestError, "unknown_checker", "'oracle'"):
        make_checker("oracle")
