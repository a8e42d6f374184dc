"""Running code that a model wrote: in a process of its own, with limits, in an empty folder.

What holds depends on the system, and every run says so (`CodeExecution.held`):

- `limits`: memory, processor time, size of a file, open files. On macOS memory is not limited.
- `no network`: a network namespace of its own, where users may make one.
- `files`: Landlock (Linux 5.13 or later): nothing is read but Python and the system's libraries,
  nothing written but below the empty folder.
- `no processes or sockets`: a filter of system calls (Linux on x86-64 and ARM64): no socket, no
  process, no thread, no signal to another process, nothing that changes another process's limits,
  memory or pace, and no mode, owner, time or attribute of any file.

Beside these an audit hook in Python itself refuses sockets and processes, which is all that keeps
code from the network where the others do not hold. A hook stops no code that means harm (it can be
got round, by code in C for one). Not contained anywhere: how many small files are written before
the time is up, the load on the processor until then, and faults of the kernel; names, sizes and
times of files outside can be seen, though not what they hold. Code that sets out
to claim success can do so: the claim is made by the process that it runs in.
"""

import json
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from metasynth.errors import MetaSynthError, RequestError

Outcome = Literal["passed", "failed", "timeout", "memory", "killed"]

_CONFINED = Path(__file__).with_name("confined.py")
_START_S = 5.0  # for the interpreter to start, on a busy machine
_TAIL = 2000  # bytes of the end of stderr that are looked at


@dataclass(frozen=True)
class CodeLimits:
    """What a program may use.

    Attributes:
        seconds: Of processor time; the wall clock has a few seconds more, for the start.
        memory_mb: Of addresses, the interpreter's own (some 30) counted.
        file_mb: Of any one file; of what is printed, too.
    """

    seconds: float = 5.0
    memory_mb: int = 512
    file_mb: int = 1


@dataclass(frozen=True)
class CodeExecution:
    """How a program ended.

    Attributes:
        outcome: `passed`: it came to its end.
        detail: The last line of its error, or which limit it hit.
        held: The measures that confined it.
    """

    outcome: Outcome
    detail: str = ""
    held: tuple[str, ...] = ()


def run_python(program: str, *, limits: CodeLimits | None = None) -> CodeExecution:
    """Run a program that nobody has read, with the standard library alone.

    Args:
        program: Its source; it is run as a module, so what stands under
            `if __name__ == "__main__"` is not.
        limits: What it may use.

    Raises:
        RequestError: This system has no limits for processes.
        MetaSynthError: The process could not be started.
    """
    if sys.platform == "win32":
        raise RequestError(
            "generated code is run with the limits of POSIX systems, which Windows has not",
            hint="use Linux, macOS or WSL, or leave tasks that run code out",
            code="unsupported_system",
        )
    limits = limits or CodeLimits()
    with tempfile.TemporaryDirectory(prefix="metasynth-code-") as name:
        return _run(program, limits, Path(name))


def _run(program: str, limits: CodeLimits, folder: Path) -> CodeExecution:
    token = secrets.token_hex(16)
    settings = {
        "memory_bytes": limits.memory_mb << 20,
        "cpu_seconds": max(1, math.ceil(limits.seconds)),
        "file_bytes": limits.file_mb << 20,
        "token": token,
    }
    work = folder / "work"
    work.mkdir()
    source, out, err = (folder / name for name in ("source", "stdout", "stderr"))
    source.write_text(program, encoding="utf-8", errors="replace")
    with source.open("rb") as stdin, out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - confining what it runs is its purpose
            [sys.executable, "-I", "-S", str(_CONFINED), json.dumps(settings)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=work,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        in_time = _ended(process, limits.seconds + _START_S)
    held, error = _read_stderr(err)
    if held is None:
        raise MetaSynthError(
            f"generated code could not be confined: {error or 'no word of it'}", code="not_confined"
        )
    if not in_time or process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return CodeExecution("timeout", f"not done after {limits.seconds:g} s", held)
    if process.returncode < 0:
        return CodeExecution("killed", signal.Signals(-process.returncode).name, held)
    if process.returncode == 0 and _end_of(out).endswith(token):
        return CodeExecution("passed", "", held)
    if error.startswith("MemoryError"):
        return CodeExecution("memory", f"more than {limits.memory_mb} MB", held)
    return CodeExecution("failed", error or "it ended before its end", held)


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether the process came to an end in time; afterwards it is gone, with its session."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return True


def _read_stderr(path: Path) -> tuple[tuple[str, ...] | None, str]:
    """The measures that held, and the last line behind them."""
    with path.open("rb") as file:
        first = file.readline().decode(errors="replace").strip()
    lines = _end_of(path).strip().splitlines()
    last = lines[-1].strip() if lines else ""
    if not first.startswith("held: "):
        return None, last
    held = tuple(first.removeprefix("held: ").split(", "))
    return held, "" if last == first else last[:200]


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().decode(errors="replace")
