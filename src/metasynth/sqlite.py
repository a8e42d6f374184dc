"""The one way in which SQLite files are opened: how long is waited, what is told when it fails.

A file is in WAL mode, so that it is read while it is written, with `synchronous=NORMAL`: what is
committed outlives the process, because it is with the operating system; a power cut can take the
last moments, never the file's soundness. Who finds it locked waits for 30 seconds.
"""

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from typing_extensions import override

from metasynth.errors import MetaSynthError

BUSY_SECONDS = 30.0

P = ParamSpec("P")
R = TypeVar("R")

_TOLD = {  # code of SQLite: code of ours, what it is, what to do
    sqlite3.SQLITE_BUSY: ("database_locked", "is in use by another process", "end that process"),
    sqlite3.SQLITE_LOCKED: ("database_locked", "is in use by another process", "end that process"),
    sqlite3.SQLITE_FULL: ("disk_full", "cannot be written, the disk is full", "make room"),
    sqlite3.SQLITE_NOTADB: ("not_a_database", "is no SQLite file", "restore it, or move it away"),
    sqlite3.SQLITE_CORRUPT: ("not_a_database", "is damaged", "restore it, or move it away"),
    sqlite3.SQLITE_CANTOPEN: ("unreadable_file", "cannot be opened", "is the folder there?"),
    sqlite3.SQLITE_READONLY: ("not_writable", "cannot be written", "may this user write there?"),
    sqlite3.SQLITE_IOERR: ("disk_error", "cannot be read or written", "is the disk full?"),
}


def open_sqlite(
    path: Path | None, *, read_only: bool = False, busy_seconds: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """A connection to the file at `path`, made where it is missing; threads may share it by turns.

    Whatever goes wrong with the file, at its opening or later, is a `MetaSynthError` of one line
    with one of the codes `database_locked`, `disk_full`, `not_a_database`, `unreadable_file`,
    `not_writable`, `disk_error` and `database_closed`.

    Args:
        path: The file; None keeps everything in this process.
        read_only: Nothing is written, and a file that is missing is not made.
        busy_seconds: How long is waited for another who holds it.
    """
    mode = "ro" if read_only else "rwc"
    if read_only and path is not None and not os.access(path.absolute().parent, os.W_OK):
        mode = "ro&immutable=1"  # SQLite would make a file beside it, to see who writes
    name = ":memory:" if path is None else f"{path.absolute().as_uri()}?mode={mode}"
    place = Path(":memory:") if path is None else path

    class Connection(_Connection):
        file = place

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            name, uri=True, timeout=busy_seconds, check_same_thread=False, factory=Connection
        )

    connection = _told(place, connect)()
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except MetaSynthError:
        connection.close()
        raise
    return connection


def discard_damaged(path: Path, instead: str) -> bool:
    """Move a file that is no sound database out of the way, and say so; False where it is sound.

    A copy that was made while the file was written is often none.

    Args:
        path: Of what can be made again.
        instead: What happens now, for the message.

    Raises:
        MetaSynthError: It cannot be looked at.
    """
    if not path.exists():
        return False
    try:
        with closing(open_sqlite(path)) as db:
            problem = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except MetaSynthError as error:
        if error.code != "not_a_database":
            raise
        problem = error.message
    if problem == "ok":
        return False
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    logging.getLogger("metasynth").warning("%s: is damaged; %s", path, instead)
    return True


def _told(file: Path, work: Callable[P, R]) -> Callable[P, R]:
    """The work, whose SQLite errors are told in one line."""

    def carried_out(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
                raise MetaSynthError(f"{file}: is closed", code="database_closed") from error
            number = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it
            if number not in _TOLD:
                raise  # of a statement, not of the file
            code, told, hint = _TOLD[number]
            raise MetaSynthError(f"{file}: {told}", hint=hint, code=code) from error

    return carried_out


class _Cursor(sqlite3.Cursor):
    """A cursor whose errors name the file."""

    connection: "_Connection"

    @override
    def execute(self, *args: Any) -> "_Cursor":
        _told(self.connection.file, super().execute)(*args)
        return self

    @override
    def executemany(self, *args: Any) -> "_Cursor":
        _told(self.connection.file, super().executemany)(*args)
        return self

    @override
    def executescript(self, *args: Any) -> "_Cursor":
        _told(self.connection.file, super().executescript)(*args)
        return self

    @override
    def fetchone(self) -> Any:
        return _told(self.connection.file, super().fetchone)()

    @override
    def fetchmany(self, *args: Any) -> list[Any]:
        return _told(self.connection.file, super().fetchmany)(*args)

    @override
    def fetchall(self) -> list[Any]:
        return _told(self.connection.file, super().fetchall)()

    @override
    def __next__(self) -> Any:
        return _told(self.connection.file, super().__next__)()


class _Connection(sqlite3.Connection):
    """A connection whose errors name the file."""

    file: Path

    @override
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    # sqlite3's own make their cursor without asking `cursor`
    @override
    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)

    @override
    def executemany(self, *args: Any) -> Any:
        return self.cursor().executemany(*args)

    @override
    def executescript(self, *args: Any) -> Any:
        return self.cursor().executescript(*args)

    @override
    def commit(self) -> None:
        _told(self.file, super().commit)()

    @override
    def __enter__(self) -> "_Connection":
        _told(self.file, super().__enter__)()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> Any:
        return _told(self.file, super().__exit__)(kind, error, trace)
