"""A program of its own: `python confined.py SETTINGS` confines itself, then becomes a Python.

It imports nothing of this package, because it starts anew for every program that is run. The last
Python reads what it runs from stdin and says at the end that it came there. Every measure that is
tried is told on stderr, in one line before anything else: `held: limits, …`.
"""

import ctypes
import json
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

RUNNER = """\
import os, sys, types
told = sys.argv.pop().encode()
source = sys.stdin.buffer.read()
def refuse(event, args):
    if event.split(".")[0] == "socket":
        raise PermissionError("the network is off")
    if event in ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn",
                 "os.exec", "os.kill", "os.killpg", "ctypes.dlopen"):
        raise PermissionError(f"{event} is off")
sys.addaudithook(refuse)
module = sys.modules["solution"] = types.ModuleType("solution")
exec(compile(source, "solution.py", "exec"), module.__dict__)
sys.stdout.flush()
os.write(1, told)
os._exit(0)
"""

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# By architecture: what makes sockets and processes, and what reaches into other processes.
_DENIED = {
    "x86_64": (41, 53, 56, 57, 58, 435, 62, 200, 234, 424, 101, 310, 311, 425),
    "aarch64": (198, 199, 220, 435, 129, 130, 131, 424, 117, 270, 271, 425),
}
_X32 = 0x40000000  # system calls of the other table that an x86-64 kernel may serve
_ALLOW, _EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_LOAD, _IF_EQUAL, _IF_GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06
_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock, the same everywhere
_SET_SECCOMP, _FILTER, _NO_NEW_PRIVILEGES = 22, 2, 38
_READ, _OF_FILES, _TO_WRITE = 0b1101, 0b111, 0b1_0001_1011_0010


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def main() -> None:
    """Confine this process, and become the Python that runs what stdin holds."""
    settings = json.loads(sys.argv[1])
    held = ["limits"]
    _limit(settings)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        # later ones need what earlier ones are allowed to do
        measures = {
            "no network": _without_network,
            "files": _within_folder,
            "no processes or sockets": _without_calls,
        }
        held += [name for name, measure in measures.items() if measure(libc)]
    sys.stderr.write(f"held: {', '.join(held)}\n")
    sys.stderr.flush()
    python = str(getattr(sys, "_base_executable", sys.executable))
    # as -I, but for PYTHONHASHSEED, so that a verdict repeats; no site-packages, no bytecode
    options = ["-s", "-P", "-S", "-B", "-X", "utf8", "-c", RUNNER, settings["token"]]
    os.execv(python, [python, *options])  # noqa: S606


def _limit(settings: dict[str, Any]) -> None:
    limits = {
        resource.RLIMIT_AS: settings["memory_bytes"],
        resource.RLIMIT_CPU: settings["cpu_seconds"],
        resource.RLIMIT_FSIZE: settings["file_bytes"],
        resource.RLIMIT_NOFILE: 32,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            if sys.platform == "linux":  # macOS takes no limit of memory
                raise


def _without_network(libc: Any) -> bool:
    """A network of one's own, with nobody in it; not allowed everywhere."""
    return bool(libc.unshare(_NEW_USER | _NEW_NET | _NEW_IPC) == 0)


def _within_folder(libc: Any) -> bool:
    """Landlock: what is read is Python and the system's libraries; written is this folder."""
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    bits = 13 if version == 1 else 14 if version == 2 else 15
    handled = _Ruleset((1 << bits) - 1, 3 if version >= 4 else 0)
    size = ctypes.sizeof(handled) if version >= 4 else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), size, 0)
    truncate = 1 << 14 if version >= 3 else 0
    places = {Path.cwd(): _READ | _TO_WRITE | truncate, Path("/dev/null"): _OF_FILES & ~1}
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    folders = [Path(sys.base_prefix), python.parent, *map(Path, ("/usr", "/lib", "/lib64", "/bin"))]
    places |= {folder: _READ for folder in folders if folder.is_dir() and folder != Path("/")}
    files = [Path("/etc/ld.so.cache"), Path("/dev/urandom"), Path("/etc/localtime")]
    places |= {path: 0b100 for path in files if path.exists()}
    for path, allowed in places.items():
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = _Beneath(allowed, parent)
        if libc.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0) != 0:
            return False
        os.close(parent)
    return _no_new_privileges(libc) and libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0


def _without_calls(libc: Any) -> bool:
    """A filter of system calls: no sockets, no processes or threads, no signals to others."""
    machine = platform.machine()
    if machine not in _DENIED:
        return False
    lines = [
        (_LOAD, 0, 0, 4),
        (_IF_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_IF_GREATER, 0, 1, _X32),
        (_RETURN, 0, 0, _EPERM),
    ]
    for number in _DENIED[machine]:
        lines += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    code = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    program = _Program(len(lines), code)
    if not _no_new_privileges(libc):
        return False
    return bool(libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)


def _no_new_privileges(libc: Any) -> bool:
    return bool(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)


if __name__ == "__main__":
    main()
