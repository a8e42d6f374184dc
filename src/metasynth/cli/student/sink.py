"""The lines of `student score`: written as they come, read back where an earlier start left off."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from metasynth.errors import RequestError
from metasynth.records.rundir import held

from .summary import ScoreSummary

if TYPE_CHECKING:
    from metasynth.student.scoring.measures import Scored


class ScoreSink:
    """Where scores go; on disk they are complete lines, whatever interrupts the writing."""

    def __init__(self, file: TextIO, summary: ScoreSummary, *, line: int = 0) -> None:
        self.line = line  # of the last row written
        self._file = file
        self._summary = summary
        self._ascii = (file.encoding or "ascii").lower().replace("-", "") != "utf8"

    def write(self, scored: "Scored") -> None:
        """Append a line."""
        told = _told(scored)
        self._file.write(json.dumps(told, ensure_ascii=self._ascii) + "\n")
        self._summary.add(told)
        self.line = scored.line

    def flush(self) -> None:
        """Hand over what was written, so that it stays if this process is killed."""
        self._file.flush()


@contextlib.contextmanager
def opened_sink(
    out: Path | None, summary: ScoreSummary, *, partial: Callable[[], Path]
) -> Iterator["ScoreSink"]:
    """Where the scores go: stdout, or a file.

    Args:
        out: The file, which is there when all of it is.
        summary: What counts the lines, those of an earlier start included.
        partial: Under which name they are collected until then, beside `out`.

    Raises:
        RequestError: It cannot be written, or another process writes it.
    """
    if out is None:
        yield ScoreSink(sys.stdout, summary)
        return
    with held(out.parent, lock=f".{out.name}.lock"):
        path = partial()
        with _told_where_to_write(out):
            line = _read_back(path, summary)
            file = path.open("a", encoding="utf-8", newline="\n")
        with file:
            yield ScoreSink(file, summary, line=line)
            file.flush()
            os.fsync(file.fileno())
        with _told_where_to_write(out):
            if summary.rows:
                path.replace(out)
            else:
                path.unlink()


@contextlib.contextmanager
def _told_where_to_write(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RequestError(f"{path}: cannot be written ({reason})", code="not_writable") from error


def _read_back(partial: Path, summary: ScoreSummary) -> int:
    """Take what an earlier start has written into the summary; the last line that it came to.

    Half a line at the end, left by a process that was killed, is cut off.
    """
    if not partial.exists():
        return 0
    line = size = 0
    with partial.open("rb") as file:
        for written in file:
            if not written.endswith(b"\n"):
                break
            told = json.loads(written)
            summary.add(told)
            line, size = told["line"], size + len(written)
    os.truncate(partial, size)
    return line


def _told(scored: "Scored") -> dict[str, Any]:
    """A line of the result, without what is empty."""
    told = asdict(scored)
    kept = {"line": told["line"], "id": scored.row_id or None, "score": scored.score}
    for name in ("reason", "detail", "answer"):
        if told[name] or (name == "answer" and scored.answer is not None):
            kept[name] = told[name]
    return kept
