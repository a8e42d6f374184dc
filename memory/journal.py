"""A file of JSON lines that only grows: what a run has decided, in the order of its decisions.

A line is on the disk, as a whole, before `append` returns. A kill in the middle of a write leaves
half a line, whose `append` never returned; the next `Journal` on the file removes it.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from metasynth.errors import MetaSynthError, RequestError


class Journal:
    """One writer's journal.

    Raises:
        RequestError: The file cannot be written.
        MetaSynthError: A whole line is no JSON object; names the line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            cut_half_line(path)
            self._file = path.open("ab")
            _sync(path.parent)
        except OSError as error:
            raise RequestError(f"{path}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def entries(self) -> Iterator[dict[str, Any]]:
        """What was written, in its order, read one line at a time."""
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if not isinstance(entry, dict):
                    raise MetaSynthError(
                        f"{self.path}, line {number}: not a JSON object",
                        hint="restore the line from a copy, or remove it and run again",
                    )
                yield entry

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one entry.

        Raises:
            MetaSynthError: The disk takes no more; nothing of the entry is left then.
        """
        self.extend([entry])

    def extend(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Write entries, which costs no more time than one; a kill leaves the first of them.

        Raises:
            MetaSynthError: The disk takes no more; nothing of the entries is left then.
        """
        lines = [json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries]
        with self._lock:
            offset = self._file.tell()
            try:
                self._file.write(b"".join(lines))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                os.truncate(self.path, offset)
                raise MetaSynthError(
                    f"{self.path}: cannot be written ({error.strerror})", hint="is the disk full?"
                ) from error


def cut_half_line(path: Path) -> None:
    """Cut what stands after the last newline of a file, if there is one."""
    if not path.exists():
        return
    size = 0
    with path.open("rb") as lines:
        for line in lines:
            size += len(line) if line.endswith(b"\n") else 0
    os.truncate(path, size)


def _sync(directory: Path) -> None:
    """Put the name of a new file on the disk too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
