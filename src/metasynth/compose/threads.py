"""The checkpoints of a run directory, and which records' threads lie in them."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.sqlite import open_sqlite

if TYPE_CHECKING:
    from aiosqlite import Connection

# ids of checkpoints grow with time, so the newest of a thread says when it was last worked on
_THREADS = """
SELECT thread_id, json_extract(metadata, '$.record_id') AS record FROM checkpoints
WHERE checkpoint_ns = '' AND record IS NOT NULL GROUP BY thread_id ORDER BY max(checkpoint_id)
"""


def kept_threads(path: Path) -> Mapping[str, str]:
    """The records whose threads a file of checkpoints holds, by thread, the oldest first.

    Raises:
        MetaSynthError: The file cannot be read; see `metasynth.sqlite`.
    """
    if not path.exists():
        return {}
    with closing(open_sqlite(path, read_only=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name='checkpoints'").fetchone():
            return {}
        return {str(thread): str(record) for thread, record in db.execute(_THREADS)}


def open_checkpoints(path: Path) -> "Connection":
    """The connection to a run's checkpoints, as LangGraph's saver wants it; to be awaited."""
    from aiosqlite import Connection

    return Connection(lambda: open_sqlite(path), iter_chunk_size=64)
