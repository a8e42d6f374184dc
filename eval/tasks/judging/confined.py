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
                 "os.exec", "os.kill", "os.killpg", "ctypes.dlopen", "resource.prlimit",
                 "resource.setrlimit", "os.chmod", "os.chown", "os.chflags", "os.utime",
                 "os.setxattr", "os.removexattr"):
        raise PermissionError(f"{event} is off")
sys.addaudithook(refuse)
module = sys.modules["solution"] = types.ModuleType("solution")
exec(compile(source, "solution.py", "exec"), module.__dict__)
sys.stdout.flush()
os.write(1, told)
os._exit(0)
"""

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# What acts on others, or on files wherever they lie: numbers on x86-64 and on ARM64, None where the
# kernel has no such call. (Linux: arch/x86/entry/syscalls/syscall_64.tbl, scripts/syscall.tbl.)
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # sockets
    "socket": (41, 198),
    "socketpair": (53, 199),
    # processes
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    "clone3": (435, 435),
    # signals to others
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    # the memory, limits and pace of others
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "perf_event_open": (298, 241),
    "setrlimit": (160, 164),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    # shared memory, semaphores, queues
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # mode, owner, times and attributes of files; Landlock does not speak of them
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "truncate": (76, 45),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # who this process is, and where
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setgroups": (116, 159),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "capset": (126, 91),
    "personality": (135, 92),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "setns": (308, 268),
    "unshare": (272, 97),
    # the system
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "iopl": (172, None),
    "ioperm": (173, None),
    "syslog": (103, 116),
    "vhangup": (153, 58),
}
_PRLIMIT, _FCNTL, _IOCTL = (302, 261), (72, 25), (16, 29)
_SIGNALS_TO = (8, 10, 15)  # of fcntl: F_SETOWN, F_SETSIG, F_SETOWN_EX
# of ioctl: what a terminal is, close on exec, bytes to read, blocking; none sets flags of a file
_HARMLESS = (0x5401, 0x802C542A, 0x5413, 0x5450, 0x5451, 0x541B, 0x5421)
_ARGUMENTS = 16  # where they begin in what a filter is given, 8 bytes each, low half first
_X32 = 0x40000000  # system calls of the other table that an x86-64 kernel may serve
_ALLOW, _EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_LOAD, _IF_EQUAL, _IF_GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06
_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock, the same everywhere
_SET_SECCOMP, _FILTER, _NO_NEW_PRIVILEGES, _DROP_BOUND = 22, 2, 38, 24
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
        _drop_capabilities(libc)
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
    """A filter of system calls: no sockets, no processes or threads, nothing that acts on others.

    Limits may be read, and only one's own.
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        return False
    column = list(_AUDIT_ARCH).index(machine)
    lines = [
        (_LOAD, 0, 0, 4),
        (_IF_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_IF_GREATER, 0, 1, _X32),
        (_RETURN, 0, 0, _EPERM),
    ]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            lines += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    halves = [_half(0), _half(2), _half(2) + 4]  # the process, and the pointer to a new limit
    for call, block in (
        (_PRLIMIT, [*_each_zero(halves), (_RETURN, 0, 0, _ALLOW)]),
        (_FCNTL, _by_value(_SIGNALS_TO, _EPERM, otherwise=_ALLOW)),
        (_IOCTL, _by_value(_HARMLESS, _ALLOW, otherwise=_EPERM)),
    ):
        lines += [(_IF_EQUAL, 0, len(block), call[column]), *block]
    lines.append((_RETURN, 0, 0, _ALLOW))
    code = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    program = _Program(len(lines), code)
    if not _no_new_privileges(libc):
        return False
    return bool(libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)


_Line = tuple[int, int, int, int]


def _half(argument: int) -> int:
    """Where the low half of an argument lies."""
    return _ARGUMENTS + 8 * argument


def _each_zero(places: list[int]) -> list[_Line]:
    """Refuse unless what lies there is 0."""
    lines: list[_Line] = []
    for place in places:
        lines += [(_LOAD, 0, 0, place), (_IF_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _EPERM)]
    return lines


def _by_value(values: tuple[int, ...], verdict: int, *, otherwise: int) -> list[_Line]:
    """What becomes of a call by its second argument."""
    lines: list[_Line] = [(_LOAD, 0, 0, _half(1))]
    for value in values:
        lines += [(_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, verdict)]
    return [*lines, (_RETURN, 0, 0, otherwise)]


def _drop_capabilities(libc: Any) -> None:
    """Root becomes a user like others at the next exec; others have none to lose."""
    for capability in range(64):
        libc.prctl(_DROP_BOUND, capability, 0, 0, 0)


def _no_new_privileges(libc: Any) -> bool:
    return bool(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)


if __name__ == "__main__":
    main()
