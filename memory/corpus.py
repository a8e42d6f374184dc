"""The corpus: what was accepted, and beside it what was rejected, one JSON line each.

A line is written once, as a whole, and is on the disk before `accept` returns, or when `synced`
does, which many may wait for together; see `metasynth.memory.lines`.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from metasynth.errors import MetaSynthError
from metasynth.records.record import Record, read_records

from .lines import LineFile
from .together import Together


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
        self._files: dict[Path, LineFile] = {}
        self._together: Together[Path, None] = Together(self._sync, name="corpus")
        try:
            for path in self._counts:
                self._files[path] = LineFile(path, is_whole=_is_record)
                self._load(path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both files."""
        self._together.close()
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

    def accept(self, record: Record, *, synced: bool = True) -> bool:
        """Append to the corpus; False, and nothing happens, if the id is in either file."""
        if record.reason is not None:
            raise ValueError(f"record {record.id} has a reason to be rejected: {record.reason}")
        return self._append(self.path, record, synced=synced)

    def reject(self, record: Record, *, synced: bool = True) -> bool:
        """Append to the rejected ones; False, and nothing happens, if the id is in either file."""
        if not record.reason:
            raise ValueError(f"record {record.id} is rejected without a reason")
        return self._append(self.rejected_path, record, synced=synced)

    async def synced(self, record: Record) -> None:
        """Wait until a record is on the disk that was appended with `synced=False`."""
        await self._together.done(self._places[record.id][0])

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

    def _sync(self, paths: Sequence[Path]) -> list[None]:
        for path in {*paths}:
            self._files[path].sync()
        return [None] * len(paths)

    def _append(self, path: Path, record: Record, *, synced: bool) -> bool:
        with self._lock:
            if record.id in self._places:
                return False
            file, line = self._files[path], record.to_line().encode()
            offset = file.append(line) if synced else file.write(line)
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


def _is_record(line: bytes) -> bool:
    try:
        Record.model_validate_json(line)
    except ValidationError:
        return False
    return True
