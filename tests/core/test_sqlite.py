"""SQLite files: a locked one is waited for, and what cannot be helped is told in one line."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from metasynth.compose.threads import kept_threads, open_checkpoints
from metasynth.errors import MetaSynthError
from metasynth.sqlite import open_sqlite
from tests.raising import raises

FILL = "INSERT INTO t VALUES (zeroblob(100000))"


def made(path: Path) -> sqlite3.Connection:
    db = open_sqlite(path)
    with db:
        db.execute("CREATE TABLE IF NOT EXISTS t (x)")
    return db


def test_it_is_written_ahead_so_that_readers_see_what_was_committed(tmp_path: Path) -> None:
    file = tmp_path / "ab?c#d %20.sqlite"
    with closing(made(file)) as db, closing(open_sqlite(file, read_only=True)) as reader:
        with db:
            db.execute("INSERT INTO t VALUES (1)")
        db.execute("INSERT INTO t VALUES (2)")
        assert reader.execute("SELECT x FROM t").fetchall() == [(1,)]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (1,)
    assert file.exists()


def test_it_may_lie_in_this_process_alone() -> None:
    with closing(open_sqlite(None)) as db:
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    with closing(made(tmp_path / "file")) as holder, closing(made(tmp_path / "file")) as other:
        holder.execute("BEGIN IMMEDIATE")

        def write() -> None:
            with other:
                other.execute("INSERT INTO t VALUES (1)")

        waiting = threading.Thread(target=write)
        waiting.start()
        holder.execute("INSERT INTO t VALUES (0)")
        holder.commit()
        waiting.join()
        assert holder.execute("SELECT x FROM t").fetchall() == [(0,), (1,)]


def test_who_has_waited_in_vain_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with closing(made(file)) as holder, closing(open_sqlite(file, busy_seconds=0)) as other:
        holder.execute("BEGIN IMMEDIATE")
        with raises(MetaSynthError, "database_locked") as raised, other:
            other.execute("INSERT INTO t VALUES (1)")
        assert str(file) in raised.value.message and "\n" not in raised.value.message


@pytest.mark.parametrize("many", [False, True])
def test_a_full_disk(tmp_path: Path, many: bool) -> None:
    with closing(made(tmp_path / "file")) as db:
        db.execute("PRAGMA max_page_count=4")
        with raises(MetaSynthError, "disk_full"), db:
            if many:
                db.executemany("INSERT INTO t VALUES (zeroblob(?))", [(100_000,)])
            else:
                db.execute(FILL)
        assert db.execute("SELECT COUNT(*) FROM t").fetchone() == (0,)


def test_a_full_disk_ends_a_graphs_step_in_one_line(tmp_path: Path) -> None:
    async def put() -> None:
        async with open_checkpoints(tmp_path / "file") as connection:
            saver = AsyncSqliteSaver(connection)
            await saver.setup()
            await connection.execute("PRAGMA max_page_count=1")
            checkpoint = {**empty_checkpoint(), "channel_values": {"x": "y" * 100_000}}
            place = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
            await saver.aput(place, checkpoint, {}, {})  # type: ignore[arg-type]

    with raises(MetaSynthError, "disk_full"):
        asyncio.run(put())
    assert kept_threads(tmp_path / "file") == {}


@pytest.mark.parametrize(
    ("content", "code"), [(b"no database " * 500, "not_a_database"), (None, "unreadable_file")]
)
@pytest.mark.parametrize("read_only", [False, True])
def test_what_cannot_be_opened(
    tmp_path: Path, content: bytes | None, code: str, read_only: bool
) -> None:
    file = tmp_path / "folder" / "file"
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)
    with raises(MetaSynthError, code):
        open_sqlite(file, read_only=read_only)
    assert not file.parent.exists() or content is not None


def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    made(tmp_path / "file").close()
    with (
        closing(open_sqlite(tmp_path / "file", read_only=True)) as db,
        raises(MetaSynthError, "not_writable"),
    ):
        db.execute(FILL)


def test_faults_of_ours_stay_what_they_are(tmp_path: Path) -> None:
    with closing(made(tmp_path / "file")) as db:
        db.execute("CREATE TABLE u (x UNIQUE)")
        with pytest.raises(sqlite3.IntegrityError):
            db.executemany("INSERT INTO u VALUES (?)", [(1,), (1,)])
