"""The run directory: who owns it, which configuration it belongs to, where things lie in it."""

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from metasynth.errors import ConfigError, RequestError
from metasynth.yaml_text import read_yaml

_MOST_CHANGES = 6
_MOST_SHOWN = 80  # characters of a value
_FIRST_VERSION = "0.1.0"  # its identities held paths and addresses


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` so that a reader never sees half a file."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def held(root: Path, *, lock: str = ".lock") -> Iterator[None]:
    """Hold a folder, made where it is missing, so that no other process works in it.

    Args:
        lock: The file that is locked; those who hold different ones share the folder.

    Raises:
        RequestError: It cannot be written, or another process holds it.
    """
    number = _hold(root, lock)
    try:
        yield
    finally:
        os.close(number)


def _hold(root: Path, name: str = ".lock") -> int:
    """The open lock file of a folder; closing it lets the folder go."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / name, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RequestError(
            f"{root}: cannot be written ({error.strerror})", code="not_writable"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise RequestError(
            f"{root}: another process is running in it", code="directory_in_use"
        ) from None
    return lock


def _changes(earlier: Any, now: Any, free: Collection[str]) -> str:
    """The keys whose values differ, with the old and the new one."""
    before, after = dict(_values(earlier)), dict(_values(now))
    keys = [
        key
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
        and not any(key == name or key.startswith(f"{name}.") for name in free)
    ]
    if not keys:
        return "what files that it names say (seeds, roles, a checker, plug-ins) has changed"
    told = [f"{key} was {_shown(before.get(key))}, is {_shown(after.get(key))}" for key in keys]
    more = f"; and {len(told) - _MOST_CHANGES} more" if len(told) > _MOST_CHANGES else ""
    return "; ".join(told[:_MOST_CHANGES]) + more


def _values(section: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(section, Mapping) and section:
        for key, value in section.items():
            yield from _values(value, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, section


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


class RunDirectory:
    """A run's folder, held by one process at a time.

    Raises:
        RequestError: The folder cannot be written, is in use, or belongs to another configuration.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run_file = root / "run.yaml"
        self.seeds = root / "seeds.jsonl"
        self.exemplars = root / "exemplars.jsonl"
        self.ledger = root / "ledger.sqlite"
        self.adaptations = root / "adaptations.json"
        self.memory = root / "memory"
        self.vectors = root / "vectors.sqlite"
        self.traces = root / "traces.jsonl"
        self.checkpoints = root / "checkpoints.sqlite"
        self.softsrv = root / "softsrv"
        self.student = root / "student"
        self._lock: int | None = None

    def open(
        self, resolved: Mapping[str, Any], *, identity: str, free: Collection[str] = ()
    ) -> Self:
        """Take the folder for a run with this identity, making it where it is missing.

        Args:
            free: Keys of the configuration that may change between two starts.
        """
        self._lock = _hold(self.root)
        try:
            self._claim(resolved, identity, free)
        except OSError as error:
            self.close()
            raise RequestError(
                f"{self.root}: cannot be written ({error.strerror})", code="not_writable"
            ) from None
        except BaseException:
            self.close()
            raise
        return self

    def _claim(self, resolved: Mapping[str, Any], identity: str, free: Collection[str]) -> None:
        earlier = self._document()
        begun = earlier.get("identity")
        if not earlier and (self.root / "corpus.jsonl").exists():
            raise RequestError(
                f"{self.root}: holds a corpus but no run.yaml", hint="use --out", code="no_run_file"
            )
        if begun not in (None, identity) and self._holds_records():
            if (earlier.get("versions") or {}).get("metasynth") == _FIRST_VERSION:
                raise RequestError(
                    f"{self.root}: was begun with version {_FIRST_VERSION}, whose runs can be read "
                    "and exported, but not gone on with",
                    hint="give another --out, or install that version",
                    code="older_run",
                )
            raise RequestError(
                f"{self.root}: belongs to another configuration: "
                f"{_changes(earlier.get('config'), resolved.get('config'), free)}",
                hint="give another --out, or the run file that the folder was made with",
                code="other_identity",
            )
        document = {"identity": identity, **resolved}
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
        write_atomically(self.run_file, text)

    def _holds_records(self) -> bool:
        """Whether anything was written here: if not, a corrected run file may have the folder."""
        files = [self.root / name for name in ("corpus.jsonl", "rejected.jsonl")]
        files.append(self.student / "held.jsonl")
        return any(file.exists() and file.stat().st_size > 0 for file in files)

    def identity(self) -> str | None:
        """The identity of the configuration that the folder belongs to; None for a new one."""
        return self._document().get("identity")

    def _document(self) -> dict[str, Any]:
        """What run.yaml says; {} where there is none."""
        if not self.run_file.exists():
            return {}
        try:
            document = read_yaml(self.run_file)
        except ConfigError as error:
            raise RequestError(error.message, code="unreadable_file") from None
        return document if isinstance(document, dict) else {}

    def close(self) -> None:
        """Let the folder go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
