"""Generated code: what is let through, what each limit stops, and that nothing is left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import metasynth.eval.tasks.judging.code_execution as confining
from metasynth.eval.tasks.catalogue.tasks import TASKS, make_mbpp
from metasynth.eval.tasks.judging.code_execution import CodeExecution, CodeLimits, run_python
from tests.eval.test_task_formats import ROWS

LIMITS = CodeLimits(seconds=1, memory_mb=256)


def run(program: str) -> CodeExecution:
    return run_python(program, limits=LIMITS)


@pytest.mark.parametrize(
    "program",
    [
        "def f(x): return x + 1\nassert f(1) == 2",
        "import math, re, collections, heapq, itertools, dataclasses, functools, typing",
        "open('x', 'w').write('x')\nassert open('x').read() == 'x'",
        "if __name__ == '__main__':\n    1 / 0",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass A:\n    x: int\nassert A(1).x == 1",
        "print('a' * 1000)",
        "x = 'ä \\ud800'",
    ],
)
def test_honest_programs_pass(program: str) -> None:
    assert run(program).outcome == "passed"


@pytest.mark.parametrize(
    ("program", "outcome", "detail"),
    [
        ("assert 1 == 2, 'no'", "failed", "AssertionError"),
        ("def f(:", "failed", "SyntaxError"),
        ("input()", "failed", "EOFError"),
        ("import sys; sys.exit(0)", "failed", "ended before"),
        ("import os; os._exit(0)", "failed", "ended before"),
        ("def f(): return f()\nf()", "failed", "RecursionError"),
        ("while True: pass", "timeout", "1 s"),
        ("x = bytearray(2 ** 30)", "memory", "256 MB"),
        ("x = [[0] * 10 ** 6 for _ in range(10 ** 6)]", "memory", "256 MB"),
        ("while True: print('x' * 1000)", "failed", "File too large"),
        ("open('x', 'w').write('x' * 10 ** 7)", "failed", "File too large"),
        ("import os\nwhile True: os.fork()", "failed", "fork"),
        ("import subprocess; subprocess.run(['true'])", "failed", "Popen"),
        ("import socket; socket.socket()", "failed", "network is off"),
        ("import urllib.request as u; u.urlopen('http://127.0.0.1:1')", "failed", "network"),
        ("import os; os.kill(os.getppid(), 9)", "failed", "kill"),
        ("import ctypes; ctypes.CDLL(None)", "failed", "dlopen"),
        ("import numpy", "failed", "ModuleNotFoundError"),
    ],
)
def test_the_others_are_stopped(program: str, outcome: str, detail: str) -> None:
    done = run(program)
    assert done.outcome == outcome, done
    assert detail in done.detail, done


def test_a_program_that_sleeps_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confining, "_START_S", 0.5)
    assert run("import time; time.sleep(100)").outcome == "timeout"


def test_its_folder_is_empty_its_environment_bare_and_both_are_gone_afterwards() -> None:
    done = run(
        "import os\nassert not os.listdir(), 'files'\n"
        "assert set(os.environ) <= {'PATH', 'LC_ALL', 'PYTHONHASHSEED'}, 'variables'\n"
        "raise ValueError(os.getcwd())"
    )
    folder = Path(done.detail.removeprefix("ValueError: "))
    assert folder.is_absolute()
    assert not folder.exists()


def test_a_verdict_repeats_whatever_the_order_of_sets() -> None:
    program = "raise ValueError(list({'a', 'b', 'c', 'd', 'e'}))"
    assert len({run(program).detail for _ in range(3)}) == 1


def held() -> tuple[str, ...]:
    return run("").held


def test_every_run_says_what_held() -> None:
    assert held()[0] == "limits"


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", __file__])
def test_where_landlock_is_there_nothing_else_is_read(path: str) -> None:
    if "files" not in held():
        pytest.skip("no Landlock here")
    assert "PermissionError" in run(f"open({path!r}).read()").detail


def test_where_landlock_is_there_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    if "files" not in held():
        pytest.skip("no Landlock here")
    target = tmp_path / "x"
    assert "PermissionError" in run(f"open({str(target)!r}, 'w').write('x')").detail
    assert not target.exists()


@pytest.mark.parametrize(
    "program",
    [
        "import socket\nsocket.socket()",
        "import socket\nsocket.socketpair()",
        "import os\nos.fork()",
        "import subprocess\nsubprocess.run(['/bin/true'])",
        "import os\nos.kill(os.getppid(), 0)",
    ],
)
def test_the_kernel_refuses_where_the_hook_in_python_is_got_round(
    program: str, tmp_path: Path
) -> None:
    if "no processes or sockets" not in held():
        pytest.skip("no filter of system calls here")
    confined = Path(confining.__file__).with_name("confined.py")
    without_hook = tmp_path / "confined.py"
    without_hook.write_text(confined.read_text().replace("sys.addaudithook(refuse)\n", ""))
    settings = {
        "memory_bytes": 2**28,
        "cpu_seconds": 2,
        "file_bytes": 2**20,
        "token": "reached the end",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(without_hook), json.dumps(settings)],
        input=program,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "PermissionError" in done.stderr, done.stderr
    assert "reached the end" not in done.stdout


class TestMBPP:
    def test_right_code_passes_and_wrong_code_does_not(self) -> None:
        spec = make_mbpp(seconds=1, memory_mb=256)
        item = spec.read(ROWS["mbpp"])
        assert spec.judge(item, "def double(x):\n    return x + x\n[DONE]").correct is True
        wrong = spec.judge(item, "```python\ndef double(x):\n    return 5\n```")
        assert wrong.correct is False
        assert wrong.reason.startswith("failed: AssertionError")

    def test_an_answer_without_code_is_none(self) -> None:
        verdict = TASKS["mbpp"].judge(TASKS["mbpp"].read(ROWS["mbpp"]), "[DONE]")
        assert (verdict.correct, verdict.found) == (False, None)

    def test_set_up_runs_behind_the_code_and_before_the_asserts(self) -> None:
        row = {**ROWS["mbpp"], "test_setup_code": "double(1)\nseven = 7"}
        row["test_list"] = ["assert double(seven) == 14"]
        spec = make_mbpp(seconds=1, memory_mb=256)
        assert spec.judge(spec.read(row), ROWS["mbpp"]["code"]).correct is True
