"""The rows that seeds are chosen from, and those that the student is tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.errors import ConfigError
from metasynth.records.record import Message

if TYPE_CHECKING:
    from metasynth.student.rows import BadRow, StudentRow

_NAMED = 3  # bad rows that are named one by one


@dataclass(frozen=True)
class PoolRows:
    """The rows of a file that can be used, and those that cannot."""

    rows: "Sequence[StudentRow]"
    bad: "Sequence[BadRow]"

    @cached_property
    def by_id(self) -> "Mapping[str, StudentRow]":
        """The usable rows by their ids."""
        return {row.id: row for row in self.rows}

    def summary(self) -> str:
        """How many there are, and what is wrong with the first bad ones."""
        count = f"{len(self.rows)} rows"
        if not self.bad:
            return count
        named = "; ".join(f"line {bad.line}: {bad.reason}" for bad in self.bad[:_NAMED])
        more = f"; and {len(self.bad) - _NAMED} more" if len(self.bad) > _NAMED else ""
        return f"{count}, {len(self.bad)} bad ({named}{more})"


def read_pool(
    path: Path, mark: str, limit: int | None, *, key: str, answered: bool = False
) -> PoolRows:
    """The rows of a file.

    Args:
        mark: What parts a text into problem and solution.
        limit: Usable rows that are read at most.
        key: What messages call the file's key.
        answered: Whether a row without an answer is bad.

    Raises:
        ConfigError: There is no such file, or no row that can be used (code `empty_pool`).
    """
    from metasynth.student.rows import BadRow, StudentRow, read_rows

    rows: list[StudentRow] = []
    bad: list[BadRow] = []
    lines: dict[str, int] = {}
    for read in read_rows(path):
        if limit is not None and len(rows) == limit:
            break
        if isinstance(read, BadRow):
            bad.append(read)
            continue
        row = as_conversation(read, mark)
        if problem := _problem_with(row, lines, answered=answered):
            bad.append(BadRow(row.line, problem))
            continue
        lines[row.id] = row.line
        rows.append(row)
    pool = PoolRows(rows, bad)
    if not rows:
        raise ConfigError(
            f"{key}: {path}: holds no row that can be used: {pool.summary()}", code="empty_pool"
        )
    return pool


def as_conversation(row: "StudentRow", mark: str) -> "StudentRow":
    """A text that holds a mark as problem and solution; every other row as it is."""
    before, found, after = (row.text or "").partition(mark)
    if not (found and before.strip() and after.strip()):
        return row
    turns = (
        Message(role="user", content=before.strip()),
        Message(role="assistant", content=f"{mark} {after.strip()}"),
    )
    return replace(row, text=None, messages=turns)


def problem_of(row: "StudentRow") -> str:
    """What a row asks, or its text."""
    if row.text is not None:
        return row.text.strip()
    asked = [turn.content for turn in row.prompt if turn.role == "user"]
    return "\n\n".join(asked).strip()


def _problem_with(row: "StudentRow", lines: Mapping[str, int], *, answered: bool) -> str:
    if not problem_of(row):
        return "the problem is empty"
    if row.id in lines:
        return f"the id {row.id!r} stands on line {lines[row.id]} already"
    if answered and not (row.is_answered and row.answer.strip()):
        return "it has no answer to compare with"
    return ""
