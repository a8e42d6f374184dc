"""Which records' threads lie in a run directory."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from metasynth.errors import MetaSynthError

# ids of checkpoints grow with time, so the newest of a thread says when it was last worked on
_THREADS = """
SELECT thread_id, json_extract(metadata, '$.record_id') AS record FROM checkpoints
WHERE checkpoint_ns = '' AND record IS NOT NULL GROUP BY thread_id ORDER BY max(checkpoint_id)
"""


def kept_threads(path: Path) -> Mapping[str, str]:
    """The records whose threads a file of checkpoints holds, by thread, the oldest first.

    Raises:
        MetaSynthError: The file is damaged.
    """
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(path)) as found:
            if not found.execute("SELECT 1 FROM sqlite_master WHERE name='checkpoints'").fetchone():
                return {}
            return {str(thread): str(record) for thread, record in found.execute(_THREADS)}
    except sqlite3.DatabaseError as error:
        raise MetaSynthError(
            f"{path}: cannot be read ({error})",
            hint="move the file away: records in work begin anew, from the calls in the ledger",
        ) from None
