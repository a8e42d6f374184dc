"""What every way to make questions gives, what post-processing keeps of it, and their files.

Samples are written one JSON line each as they come, so that a stopped run goes on where it was:
`SampleFile(path).next_number` is the number to start from. Half a last line, which a kill leaves
behind, is no sample: readers skip it, and the next writer cuts it off.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.rundir import write_atomically
from metasynth.text.words import encodable


@dataclass(frozen=True)
class Sample:
    """One generated text with where it came from.

    Attributes:
        text: The text alone, without special tokens.
        context_id: The target row whose context it was sampled with, or the exemplar of a template;
            "" for unconditional samples.
        number: Its place in the run; sample `number` depends only on the seed and the number.
        seed: The seed that it was drawn with.
        stopped: It ended by itself; False where it was cut at the token limit.
        tokens: How many tokens were generated for it; 0 where they are counted elsewhere.
    """

    text: str
    context_id: str
    number: int
    seed: int
    stopped: bool
    tokens: int


@dataclass(frozen=True)
class Candidate:
    """A sample that post-processing kept; `cluster` is its k-means cluster, `number` its sample."""

    text: str
    context_id: str
    number: int
    cluster: int


Row = TypeVar("Row", Sample, Candidate)


class SampleFile:
    """A JSONL file that samples are appended to in order of their numbers.

    Every sample is on its way to the disk before `append` returns: killing the process loses none
    but the one in flight. Only one writer may have a file.

    Raises:
        RequestError: The file cannot be read or written.
        MetaSynthError: A line that is not the last is no sample, or a number is out of order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("ab")
        except OSError as error:
            raise RequestError(
                f"{path}: cannot be written ({error.strerror})", code="not_writable"
            ) from None
        try:
            self.next_number = self._take_up()
        except BaseException:
            self._file.close()
            raise

    def _take_up(self) -> int:
        """Cut off what a kill left of a line, and find the number that comes next."""
        following = 0
        for sample in read_samples(self.path):
            if sample.number < following:
                raise MetaSynthError(
                    f"{self.path}: sample {sample.number} comes after sample {following - 1}",
                    hint="the file is not one run's: give another folder",
                    code="bad_order",
                )
            following = sample.number + 1
        self._file.truncate(_complete_bytes(self.path))
        return following

    def append(self, sample: Sample) -> None:
        """Write one sample; its number may not be below `next_number`."""
        if sample.number < self.next_number:
            raise ValueError(f"sample {sample.number} is written already")
        self._file.write(_line(sample).encode())
        self._file.flush()
        self.next_number = sample.number + 1

    def close(self) -> None:
        """Sync and close the file."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_samples(path: Path) -> Iterator[Sample]:
    """The samples of a JSONL file, one at a time; a missing file has none.

    Raises:
        RequestError: The file cannot be read.
        MetaSynthError: A whole line is not a sample; names file and line.
    """
    return _read(path, Sample)


def read_candidates(path: Path) -> Iterator[Candidate]:
    """The candidates of a JSONL file; otherwise as `read_samples`."""
    return _read(path, Candidate)


def write_candidates(path: Path, candidates: Iterable[Candidate]) -> None:
    """Replace the file by these candidates; a reader never sees half of them."""
    write_atomically(path, "".join(map(_line, candidates)))


def _line(row: Sample | Candidate) -> str:
    return encodable(json.dumps(asdict(row), ensure_ascii=False)) + "\n"


def _read(path: Path, kind: type[Row]) -> Iterator[Row]:
    try:
        lines = path.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror})", code="unreadable_file"
        ) from None
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return  # half a last line: it was never finished
            yield _parsed(line, kind, f"{path}, line {number}")


def _parsed(line: bytes, kind: type[Row], where: str) -> Row:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    expected = {field.name: field.type for field in fields(kind)}
    # types compared exactly: true is no number here
    if not isinstance(row, dict) or {name: type(row[name]) for name in row} != expected:
        raise MetaSynthError(
            f"{where}: not a {kind.__name__.lower()}",
            hint="restore the line from a copy, or remove the file and run again",
            code="bad_line",
        )
    return kind(**row)


def _complete_bytes(path: Path) -> int:
    """The length of the file up to its last line break."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0:
            begin = max(0, position - (1 << 16))
            file.seek(begin)
            found = file.read(position - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            position = begin
    return 0
