"""Generated code: what is let through, what each limit stops, and that nothing is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import metasynth.eval.tasks.judging.code_execution as confining
from metasynth.eval.tasks.catalogue.tasks import TASKS, make_mbpp
from metasynth.eval.tasks.judging import confined
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
    done = without_hook(program, tmp_path)
    assert "PermissionError" in done.stderr, done.stderr
    assert "reached the end" not in done.stdout


def without_hook(
    program: str, folder: Path, user: int | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run where only the kernel refuses, perhaps as another user, who owns the folder."""
    copy = folder / "confined.py"
    copy.write_text(Path(confined.__file__).read_text().replace("sys.addaudithook(refuse)\n", ""))
    settings = {
        "memory_bytes": 2**28,
        "cpu_seconds": 5,
        "file_bytes": 2**20,
        "token": "reached the end",
    }
    return subprocess.run(
        [python_for(user), "-I", "-S", str(copy), json.dumps(settings)],
        input=program,
        capture_output=True,
        text=True,
        cwd=folder,
        user=user,
        group=user,
        check=False,
    )


def python_for(user: int | None) -> str:
    """This Python, or the system's where another user cannot reach this one."""
    if user is None:
        return sys.executable
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, "-c", ""], user=user, group=user, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no Python that another user may run")


ATTACKS = """\
resource.prlimit(PID, resource.RLIMIT_CPU, (0, 0))
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
os.kill(PID, 9)
os.killpg(PID, 9)
os.pidfd_open(PID)
call("tgkill", PID, PID, 9)
call("rt_sigqueueinfo", PID, 9, bytes(128))
os.setpriority(os.PRIO_PROCESS, PID, 19)
os.sched_setaffinity(PID, {0})
os.sched_setscheduler(PID, os.SCHED_BATCH, os.sched_param(0))
fcntl.fcntl(1, fcntl.F_SETOWN, PID)
fcntl.fcntl(1, fcntl.F_SETSIG, 9)
fcntl.ioctl(1, 0x8901, PID.to_bytes(4, "little"))
fcntl.ioctl(1, 0x40086602, bytes(8))
call("ptrace", 16, PID, 0, 0)
call("process_vm_readv", PID, 0, 0, 0, 0, 0)
call("process_vm_writev", PID, 0, 0, 0, 0, 0)
os.chmod(FILE, 0o777)
os.chmod(FILE, 0o777, dir_fd=FOLDER)
os.fchmod(0, 0o777)
call("fchmodat2", -100, FILE.encode(), 0o777, 0)
os.chown(FILE, os.getuid(), os.getgid())
os.lchown(FILE, os.getuid(), os.getgid())
os.fchown(0, os.getuid(), os.getgid())
os.utime(FILE, (0, 0))
os.utime(0, (0, 0))
call("utime", FILE.encode(), 0)
call("utimes", FILE.encode(), 0)
os.setxattr(FILE, "user.a", b"1")
os.removexattr(FILE, "user.there")
os.truncate(FILE, 0)
open(FILE, "a")
os.rename(FILE, FILE + "2")
os.rename(FILE, "mine")
os.link(FILE, FILE + "2")
os.link(FILE, "mine")
os.symlink("a", FILE + "2")
os.unlink(FILE)
os.mkdir(FILE + "2")
os.rmdir(os.path.dirname(FILE) + "/empty")
os.mkfifo(FILE + "2")
os.mknod("device", 0o20666, 259)
call("socket", 1, 1, 0)
os.fork()
os.setuid(os.getuid())
os.chroot(".")
call("unshare", 0)
call("setns", 0, 0)
call("mount", 0, b"/", b"none", 32, 0)
call("umount2", b"/", 2)
call("open_tree", -100, b"/", 0)
call("keyctl", 0, -4, 1)
call("add_key", b"user", b"a", b"b", 1, -4)
call("bpf", 0, 0, 0)
call("userfaultfd", 0)
call("io_uring_setup", 1, bytes(120))
call("perf_event_open", 0, 0, 0, 0, 0)
call("shmget", 0, 4096, 0o1600)
call("semget", 0, 1, 0o1600)
call("msgget", 0, 0o1600)
call("mq_open", b"a", 0o100, 0o600, 0)
"""


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that another user may have too; the one of pytest is root's."""
    folder = Path(tempfile.mkdtemp(prefix="metasynth-attacked-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("user", [None, 65534], ids=["as who runs it", "as another"])
def test_no_family_of_calls_reaches_others_or_files_outside(
    user: int | None, outside: Path
) -> None:
    if not {"files", "no processes or sockets"} <= {*held()}:
        pytest.skip("the kernel has not both measures")
    if user is not None and os.getuid() != 0:
        pytest.skip("only root can be another user")
    work, file = outside / "work", outside / "file"
    file.write_text("unchanged")
    for folder in (work, outside / "empty"):
        folder.mkdir()
    if user is not None:
        for path in (outside, *outside.iterdir()):
            os.chown(path, user, user)
    before, names = _facts(file), sorted(outside.iterdir())
    with subprocess.Popen(
        ["/bin/sleep", "600"], user=user, group=user, start_new_session=True
    ) as victim:
        untouched = Path(f"/proc/{victim.pid}/limits").read_text()
        try:
            done = without_hook(attack(victim.pid, file), work, user)
            limits = Path(f"/proc/{victim.pid}/limits").read_text()
            assert victim.poll() is None
        finally:
            victim.send_signal(signal.SIGKILL)
    assert done.stdout == "reached the end", (done.stdout, done.stderr)
    assert limits == untouched
    assert (file.read_text(), sorted(outside.iterdir())) == ("unchanged", names)
    assert _facts(file) == before


def _facts(file: Path) -> tuple[int, ...]:
    """All that an attack could change of a file; reading it changes the time of access alone."""
    facts = file.stat()
    return (
        *(facts.st_mode, facts.st_nlink, facts.st_uid, facts.st_gid, facts.st_size),
        *(facts.st_mtime_ns, facts.st_ctime_ns),
    )


def attack(pid: int, file: Path) -> str:
    """A program that prints every attack that is not refused for want of permission."""
    return f"""\
import ctypes, errno, fcntl, os, platform, resource
PID, FILE, NUMBERS = {pid}, {str(file)!r}, {confined._DENIED!r}
FOLDER = os.open(".", os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    number = NUMBERS[name][platform.machine() != "x86_64"]
    if number is None:
        raise PermissionError
    result = libc.syscall(number, *arguments)
    if result == -1 and ctypes.get_errno() == errno.EPERM:
        raise PermissionError
for each in {ATTACKS.splitlines()!r}:
    try:
        eval(each)
    except PermissionError:
        continue
    except OSError as error:
        if error.errno == errno.EXDEV:  # Landlock's answer to links between folders
            continue
        each += f": {{error}}"
    except ValueError:  # of limits, which are asked for below
        continue
    print(each)
for name in NUMBERS:
    try:
        call(name, -1, -1, -1, -1, -1, -1)
    except PermissionError:
        continue
    print(name)
assert resource.getrlimit(resource.RLIMIT_CPU)[0] == 5
assert resource.getrlimit(resource.RLIMIT_AS)[0] == 2 ** 28
"""


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
