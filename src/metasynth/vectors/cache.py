"""Vectors of texts in a SQLite file, by what computed them and by text."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metasynth.sqlite import open_sqlite

_LOOKUP = 500  # variables of one SQLite statement

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
        self._model_id = model_id
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = open_sqlite(path)
        with self._db:
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS vectors (model TEXT, text BLOB, vector BLOB, cut INT, "
                "PRIMARY KEY (model, text)) WITHOUT ROWID"
            )

    def get(self, keys: Sequence[bytes]) -> dict[bytes, tuple[Vectors, bool]]:
        """The vectors that are known, and whether more was in the text than the model read."""
        found = {}
        with self._lock:
            for start in range(0, len(keys), _LOOKUP):
                part = keys[start : start + _LOOKUP]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT text, vector, cut FROM vectors WHERE model = ? AND text IN ({marks})",  # noqa: S608
                    (self._model_id, *part),
                )
                for text, vector, cut in rows:
                    found[text] = (np.frombuffer(vector, dtype="<f4"), bool(cut))
        return found

    def put(self, vectors: dict[bytes, tuple[Vectors, bool]]) -> None:
        """Keep vectors; what is known already stays as it is."""
        rows = (
            (self._model_id, key, vector.astype("<f4").tobytes(), bool(cut))
            for key, (vector, cut) in vectors.items()
        )
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
