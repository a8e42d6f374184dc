"""The corpus: what was accepted, and beside it what was rejected, one JSON line each.

A line is written once, as a whole, and is on the disk before `accept` returns. Only a kill or a
power cut in the middle of a write leaves half a line; the next `Corpus` on the folder removes it.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from pydantic import ValidationError

from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.record import Record, read_records

_BLOCK = 1 << 16


class Corpus:
    """The two files of a run directory; ids and offsets are held in memory, texts are not.

    Raises:
        RequestError: The files cannot be written.
        MetaSynthError: A line in the middle is broken, or an id is there twice; names the line.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "corpus.jsonl"
        self.rejected_path = directory / "rejected.jsonl"
        self._lock = threading.Lock()
        self._reasons: Counter[str] = Counter()
        self._places: dict[str, tuple[Path, int]] = {}
        self._counts = Counter({self.path: 0, self.rejected_path: 0})
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for path in (self.path, self.rejected_path):
                _repair(path)
                self._load(path)
            self._files = {path: path.open("ab") for path in (self.path, self.rejected_path)}
            _sync(directory)
        except OSError as error:
            raise RequestError(
                f"{directory}: cannot be written ({error.strerror})", code="unwritable"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both files."""
        with self._lock:
            for file in self._files.values():
                file.close()

    @property
    def accepted(self) -> int:
        """How many records are in the corpus."""
        return self._counts[self.path]

    @property
    def rejected(self) -> int:
        """How many records were rejected."""
        return self._counts[self.rejected_path]

    def __contains__(self, id_: object) -> bool:
        """Whether a record with this id was accepted or rejected."""
        return id_ in self._places

    def is_accepted(self, id_: str) -> bool:
        """Whether a record with this id is in the corpus."""
        place = self._places.get(id_)
        return place is not None and place[0] == self.path

    def accepted_ids(self) -> list[str]:
        """The ids of the records in the corpus, in their order."""
        with self._lock:
            return [id_ for id_, (path, _) in self._places.items() if path == self.path]

    def accept(self, record: Record) -> bool:
        """Append to the corpus; False, and nothing happens, if the id is in either file."""
        if record.reason is not None:
            raise ValueError(f"record {record.id} has a reason to be rejected: {record.reason}")
        return self._append(self.path, record)

    def reject(self, record: Record) -> bool:
        """Append to the rejected ones; False, and nothing happens, if the id is in either file."""
        if not record.reason:
            raise ValueError(f"record {record.id} is rejected without a reason")
        return self._append(self.rejected_path, record)

    def reasons(self) -> dict[str, int]:
        """How many were rejected for what, the most frequent first."""
        return dict(self._reasons.most_common())

    def records(self) -> Iterator[Record]:
        """The accepted records in their order, read one at a time."""
        return read_records(self.path)

    def rejected_records(self) -> Iterator[Record]:
        """The rejected records in their order, read one at a time."""
        return read_records(self.rejected_path)

    def find(self, id_: str) -> Record | None:
        """The record with this id, accepted or rejected."""
        place = self._places.get(id_)
        if place is None:
            return None
        path, offset = place
        with path.open("rb") as file:
            file.seek(offset)
            return Record.model_validate_json(file.readline())

    def _append(self, path: Path, record: Record) -> bool:
        with self._lock:
            if record.id in self._places:
                return False
            file = self._files[path]
            offset = file.tell()
            try:
                file.write(record.to_line().encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                os.truncate(path, offset)
                raise MetaSynthError(
                    f"{path}: cannot be written ({error.strerror})",
                    hint="is the disk full?",
                    code="unwritable",
                ) from error
            self._note(path, record.id, offset, record.reason)
            return True

    def _load(self, path: Path) -> None:
        offset = 0
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    record = Record.model_validate_json(line)
                except ValidationError as error:
                    raise MetaSynthError(
                        f"{path}, line {number}: not a record ({error.errors()[0]['msg']})",
                        hint="restore the line from a copy, or remove it and run again",
                        code="bad_record",
                    ) from error
                if record.id in self._places:
                    raise MetaSynthError(
                        f"{path}, line {number}: the id {record.id} is there already "
                        f"({self._places[record.id][0].name})",
                        hint="remove one of the two lines and run again",
                        code="taken_id",
                    )
                self._note(path, record.id, offset, record.reason)
                offset += len(line)

    def _note(self, path: Path, id_: str, offset: int, reason: str | None) -> None:
        self._places[id_] = (path, offset)
        self._counts[path] += 1
        if path == self.rejected_path:
            self._reasons[(reason or "").partition(":")[0]] += 1


def _repair(path: Path) -> None:
    """End the file with a whole line: complete a last line that lacks its newline, or cut it."""
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        tail = _tail(file, size)
        if not tail:
            return
        if _is_record(tail):
            file.write(b"\n")
        else:
            file.truncate(size - len(tail))
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Put the names of new files on the disk too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def _is_record(line: bytes) -> bool:
    try:
        Record.model_validate_json(line)
    except ValidationError:
        return False
    return True
