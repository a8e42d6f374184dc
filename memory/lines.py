"""A file of whole lines that only grows.

Only a kill or a power cut in the middle of a write leaves half a line, whose `append` never
returned; who opens the file next removes it.
"""

import os
import threading
from pathlib import Path

from metasynth.errors import MetaSynthError, RequestError


class LineFile:
    """The file, opened by its only writer; safe for threads.

    Args:
        synced: Lines are on the disk before `append` returns; else with the operating system, so
            that they outlive the process, not a power cut.

    Raises:
        RequestError: It cannot be written (code `unwritable`).
    """

    def __init__(self, path: Path, *, synced: bool = True) -> None:
        self.path = path
        self._synced = synced
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _cut_half_line(path)
            self._file = path.open("ab")
            _sync(path.parent)
        except OSError as error:
            raise RequestError(
                f"{path}: cannot be written ({error.strerror})", code="unwritable"
            ) from error

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def append(self, lines: bytes) -> None:
        """Write whole lines; a kill leaves the first of them.

        Raises:
            MetaSynthError: The disk takes no more (code `unwritable`); nothing of them is left.
        """
        with self._lock:
            offset = self._file.tell()
            try:
                self._file.write(lines)
                self._file.flush()
                if self._synced:
                    os.fsync(self._file.fileno())
            except OSError as error:
                os.truncate(self.path, offset)
                raise MetaSynthError(
                    f"{self.path}: cannot be written ({error.strerror})",
                    hint="is the disk full?",
                    code="unwritable",
                ) from error


def _cut_half_line(path: Path) -> None:
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
