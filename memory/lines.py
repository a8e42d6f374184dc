"""A file of whole lines that only grows.

Only a kill or a power cut in the middle of a write leaves half a line, whose `append` never
returned; who opens the file next removes it.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from metasynth.errors import MetaSynthError, RequestError

_BLOCK = 1 << 16


class LineFile:
    """The file, opened by its only writer; safe for threads.

    Args:
        synced: Lines are on the disk before `append` returns; else with the operating system, so
            that they outlive the process, not a power cut.
        is_whole: Whether what stands after the last newline is a line that lacks only that; it is
            completed then, and cut off where it is not.

    Raises:
        RequestError: It cannot be written (code `not_writable`).
    """

    def __init__(
        self,
        path: Path,
        *,
        synced: bool = True,
        is_whole: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self.path = path
        self._synced = synced
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _repair(path, is_whole)
            self._file = path.open("ab")
            _sync(path.parent)
        except OSError as error:
            raise RequestError(
                f"{path}: cannot be written ({error.strerror})", code="not_writable"
            ) from error

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def append(self, lines: bytes) -> int:
        """Write whole lines and say at which byte they begin; a kill leaves the first of them.

        Raises:
            MetaSynthError: The disk takes no more (code `not_writable`); nothing of them is left.
        """
        with self._lock:
            return self._write(lines, synced=self._synced)

    def write(self, lines: bytes) -> int:
        """As `append`, but only with the operating system: `sync` puts it on the disk."""
        with self._lock:
            return self._write(lines, synced=False)

    def sync(self) -> None:
        """Put on the disk all that was written.

        Raises:
            MetaSynthError: The disk does not take it (code `not_writable`).
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, lines: bytes, *, synced: bool) -> int:
        offset = self._file.tell()
        try:
            self._file.write(lines)
            self._file.flush()
            if synced:
                os.fsync(self._file.fileno())
        except OSError as error:
            os.truncate(self.path, offset)
            raise self._unwritable(error) from error
        return offset

    def _unwritable(self, error: OSError) -> MetaSynthError:
        return MetaSynthError(
            f"{self.path}: cannot be written ({error.strerror})",
            hint="is the disk full?",
            code="not_writable",
        )


def _repair(path: Path, is_whole: Callable[[bytes], bool]) -> None:
    """End the file, which is made where it is missing, with a whole line."""
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        tail = _tail(file, size)
        if not tail:
            return
        if is_whole(tail):
            file.write(b"\n")
        else:
            file.truncate(size - len(tail))
        file.flush()
        os.fsync(file.fileno())


def _tail(file: BinaryIO, size: int) -> bytes:
    """What stands after the last newline."""
    tail = b""
    while size > 0:
        start = max(0, size - _BLOCK)
        file.seek(start)
        block = file.read(size - start)
        if (end := block.rfind(b"\n")) >= 0:
            return block[end + 1 :] + tail
        tail, size = block + tail, start
    return tail


def _sync(directory: Path) -> None:
    """Put the name of a new file on the disk too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
