"""Vectors of texts in a SQLite file, by what computed them and by text."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metasynth.sqlite import open_sqlite

_LOOKUP = 500  # variables of one SQLite statement

# A row of 1.6 kB fits into a page of an ordinary table, but not into one of an index, which a table
# WITHOUT ROWID is: there each vector took a page of 4 kB for itself.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS models (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
    "CREATE TABLE IF NOT EXISTS vectors (model INT, text BLOB, vector BLOB, cut INT, "
    "UNIQUE (model, text))",
)
_OLDER = "SELECT 1 FROM sqlite_master WHERE name = 'vectors' AND sql LIKE '%WITHOUT ROWID%'"

Vectors = NDArray[np.float32]


def text_key(text: str) -> bytes:
    """What a text is called in a cache."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class VectorCache:
    """Vectors in SQLite by model and text; a write is there after a kill, if not a power cut.

    Args:
        path: The file; None keeps vectors in this process alone.
        model_id: Names what computes the vectors.

    Raises:
        MetaSynthError: The file cannot be read or written, here and in all methods; see
            `metasynth.sqlite`.
    """

    def __init__(self, path: Path | None, model_id: str) -> None:
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = open_sqlite(path)
        self._model = self._open(model_id)

    def _open(self, model_id: str) -> int:
        """Make the tables where they are missing; the number of the model in them."""
        with self._db:
            older = self._db.execute(_OLDER).fetchone() is not None
            if older:
                self._db.execute("ALTER TABLE vectors RENAME TO older")
            for statement in _TABLES:
                self._db.execute(statement)
            if older:
                self._db.execute("INSERT INTO models (name) SELECT DISTINCT model FROM older")
                self._db.execute(
                    "INSERT INTO vectors SELECT models.id, text, vector, cut FROM older "
                    "JOIN models ON models.name = older.model"
                )
                self._db.execute("DROP TABLE older")
            self._db.execute("INSERT OR IGNORE INTO models (name) VALUES (?)", (model_id,))
            query = "SELECT id FROM models WHERE name = ?"
            return int(self._db.execute(query, (model_id,)).fetchone()[0])

    def get(self, keys: Sequence[bytes]) -> dict[bytes, tuple[Vectors, bool]]:
        """The vectors that are known, and whether more was in the text than the model read."""
        found = {}
        with self._lock:
            for start in range(0, len(keys), _LOOKUP):
                part = keys[start : start + _LOOKUP]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT text, vector, cut FROM vectors WHERE model = ? AND text IN ({marks})",  # noqa: S608
                    (self._model, *part),
                )
                for text, vector, cut in rows:
                    found[text] = (np.frombuffer(vector, dtype="<f4"), bool(cut))
        return found

    def put(self, vectors: dict[bytes, tuple[Vectors, bool]]) -> None:
        """Keep vectors; what is known already stays as it is."""
        rows = (
            (self._model, key, vector.astype("<f4").tobytes(), bool(cut))
            for key, (vector, cut) in vectors.items()
        )
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
