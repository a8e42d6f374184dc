"""Chroma's client behind the few calls that the store makes, with its limits kept.

Everything that Chroma would do by itself and must not is switched off here: its default embedding
function (it downloads a model), its telemetry, its squared-L2 space.
"""

import functools
import hashlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from metasynth.errors import MetaSynthError, RequestError

from .items import Namespace, Row, namespace_text, parse_namespace, parse_row

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection
    from chromadb.config import Settings

# ef_search counts only at creation; 200 finds real text's neighbours at 100,000 rows.
_COSINE = {
    "hnsw": {"space": "cosine", "ef_search": 200, "ef_construction": 100, "max_neighbors": 16}
}
_PAGE = 5000
_SERVER_SECONDS = 120.0

_Entry = TypeVar("_Entry")


class Hit(NamedTuple):
    """A vector that lies near the query: whose it is, of which write, and the cosine distance."""

    id: str
    item: str
    revision: str
    at: float
    distance: float


class Collections:
    """The collections of one store: its items, its namespaces, and vectors for each root label.

    Vectors are apart by root label because a query without a condition costs 2 ms at 100,000 rows
    and one with a condition 50 ms. What is searched often deserves a root of its own.
    """

    def __init__(self, location: str | Path, *, name: str) -> None:
        self.location = str(location)
        self._name = name
        self._client = _connect(self.location)
        self._vectors: dict[str, Collection] = {}
        self._batch = self._client.get_max_batch_size()
        self._items = self._collection("items")
        self._namespaces = self._collection("namespaces")
        self._known: set[Namespace] = set()

    def close(self) -> None:
        """Let go of the client."""
        client: Any = self._client  # its declared type lacks `close`
        client.close()
        # Chroma leaves a server's connections open, its own and those of its inner admin client.
        for part in (client, getattr(client, "_admin_client", client)):
            session = getattr(part._server, "_session", None)
            if session is not None:
                session.close()

    def rows(self, ids: Sequence[str]) -> dict[str, Row]:
        """The items' rows with these ids, as far as they exist."""
        found: dict[str, Row] = {}
        for part in self._parts(list(dict.fromkeys(ids))):
            answer = self._items.get(ids=list(part), include=["documents", "metadatas"])
            found.update(_parse(answer))
        return found

    def scan(self, condition: dict[str, Any] | None, *, page: int = _PAGE) -> Iterator[Row]:
        """The items' rows under a condition, oldest first, read `page` at a time."""
        offset, size = 0, min(max(page, 10), _PAGE)
        while True:
            answer = self._items.get(
                where=condition, limit=size, offset=offset, include=["documents", "metadatas"]
            )
            yield from _parse(answer).values()
            if len(answer["ids"]) < size:
                return
            offset, size = offset + size, _PAGE

    def write(self, rows: Sequence[Row], earlier: dict[str, Row]) -> None:
        """Add the rows, or replace the `earlier` ones of the same id, each in one step."""
        self._remember({row.namespace for row in rows})
        for part in self._parts([row for row in rows if row.id not in earlier]):
            self._items.add(
                ids=[row.id for row in part],
                embeddings=_spread([row.id for row in part]),
                documents=[row.document for row in part],
                metadatas=[row.metadata() for row in part],
            )
        for part in self._parts([row for row in rows if row.id in earlier]):
            self._items.update(
                ids=[row.id for row in part],
                # Without them Chroma would embed the documents with its default function.
                embeddings=_spread([row.id for row in part]),
                documents=[row.document for row in part],
                metadatas=[_replacing(row, earlier[row.id]) for row in part],
            )

    def remove(self, ids: Sequence[str]) -> None:
        """Delete the items' rows with these ids."""
        for part in self._parts(list(ids)):
            self._items.delete(ids=list(part))

    def postpone(self, expiries: dict[str, float]) -> None:
        """Set when the items with these ids expire (seconds since the epoch)."""
        for part in self._parts(list(expiries)):
            self._items.update(
                ids=list(part), metadatas=[{"expires": expiries[id_]} for id_ in part]
            )

    def add_vectors(self, rows: Sequence[tuple[Row, Sequence[Sequence[float]]]]) -> None:
        """Add the vectors of each row, all of the same root label or not."""
        by_root: dict[str, list[tuple[str, Row, Sequence[float]]]] = {}
        for row, vectors in rows:
            of_root = by_root.setdefault(row.namespace[0], [])
            of_root.extend(zip(row.vector_ids(), [row] * len(vectors), vectors, strict=True))
        for root, entries in by_root.items():
            collection = self._vectors_of(root) or self._make_vectors(root)
            for part in self._parts(entries):
                collection.add(
                    ids=[id_ for id_, _, _ in part],
                    embeddings=_matrix([vector for _, _, vector in part]),
                    metadatas=[row.vector_metadata() for _, row, _ in part],
                )

    def remove_vectors(self, root: str, ids: Sequence[str]) -> None:
        """Delete vector rows of a root label."""
        collection = self._vectors_of(root) if ids else None
        for part in self._parts(list(ids)):
            if collection is not None:
                collection.delete(ids=list(part))

    def nearest(
        self, root: str, vector: Sequence[float], *, count: int, condition: dict[str, Any] | None
    ) -> list[Hit]:
        """The `count` vectors of a root label nearest to `vector`, nearest first."""
        collection = self._vectors_of(root)
        if collection is None:
            return []
        answer = collection.query(
            query_embeddings=_matrix([vector]),
            n_results=count,
            where=condition,
            include=["metadatas", "distances"],
        )
        metadatas: Any = answer["metadatas"]
        distances: Any = answer["distances"]
        return [
            Hit(id_, data["item"], data["revision"], data["at"], float(distance))
            for id_, data, distance in zip(
                answer["ids"][0], metadatas[0], distances[0], strict=True
            )
        ]

    def namespaces(self) -> list[Namespace]:
        """Every namespace that was ever written to, sorted."""
        answer = self._namespaces.get(include=["documents"])
        return sorted(parse_namespace(text) for text in answer["documents"] or [])

    def _remember(self, namespaces: set[Namespace]) -> None:
        """Note the namespaces before anything is written to them."""
        for part in self._parts(sorted(namespaces - self._known)):
            texts = [namespace_text(namespace) for namespace in part]
            ids = [hashlib.sha256(text.encode()).hexdigest()[:40] for text in texts]
            # An id that is there already is left alone by `add`, which is what is wanted.
            self._namespaces.add(ids=ids, embeddings=_spread(ids), documents=texts)
        self._known |= namespaces

    def _vectors_of(self, root: str) -> "Collection | None":
        """The vectors of a root label; None where nothing was ever indexed, for reads make none."""
        from chromadb.errors import NotFoundError

        if root not in self._vectors:
            try:
                self._vectors[root] = self._client.get_collection(
                    f"{self._name}-{_vectors_name(root)}", embedding_function=None
                )
            except NotFoundError:
                return None
        return self._vectors[root]

    def _make_vectors(self, root: str) -> "Collection":
        self._vectors[root] = self._collection(_vectors_name(root), _COSINE)
        return self._vectors[root]

    def _collection(self, name: str, configuration: Any = None) -> "Collection":
        return self._client.get_or_create_collection(
            f"{self._name}-{name}", configuration=configuration, embedding_function=None
        )

    def _parts(self, entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
        for start in range(0, len(entries), self._batch):
            yield entries[start : start + self._batch]


@contextmanager
def told_in_one_line(location: str) -> Iterator[None]:
    """Turn what Chroma or the way to its server may raise into a `MetaSynthError`."""
    import httpx
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, httpx.HTTPError) as error:
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise MetaSynthError(
            f"the memory at {location} failed ({first})",
            hint="is the disk full, the server down, or another embedder in use?",
            code="store_failed",
        ) from error


@functools.cache
def _settings() -> "Settings":
    """Chroma's settings, which take longer to build than a store to open."""
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def check_place(location: str | Path) -> None:
    """Make the folder, or see that a server answers; without Chroma, whose import takes long.

    Raises:
        RequestError: The folder cannot be written, or the URL names no host.
        MetaSynthError: No server answers.
    """
    if not _is_url(str(location)):
        try:
            Path(location).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(
                f"{location}: cannot be written ({error.strerror})", code="not_writable"
            ) from None
        return
    host, port, _ = _address(str(location))
    try:
        # Chroma's own attempt would say less and leave connections behind.
        socket.create_connection((host, port), timeout=10).close()
    except OSError as error:
        raise _no_server(str(location)) from error


def _connect(location: str) -> "ClientAPI":
    check_place(location)
    import chromadb

    settings = _settings().model_copy()  # the client writes into it
    if not _is_url(location):
        return chromadb.PersistentClient(location, settings=settings)
    host, port, ssl = _address(location)
    try:
        client: Any = chromadb.HttpClient(host, port=port, ssl=ssl, settings=settings)
    except (OSError, ValueError) as error:
        raise _no_server(location) from error
    client._server._session.timeout = _SERVER_SECONDS  # by default it waits for ever
    return cast("ClientAPI", client)


def _is_url(location: str) -> bool:
    return location.startswith(("http://", "https://"))


def _address(location: str) -> tuple[str, int, bool]:
    """Host, port, and whether over TLS."""
    url = urlsplit(location)
    if not url.hostname:
        raise RequestError(
            f"{location}: names no host", hint="write http://HOST:PORT", code="missing_host"
        )
    ssl = url.scheme == "https"
    return url.hostname, url.port or (443 if ssl else 8000), ssl


def _no_server(location: str) -> MetaSynthError:
    return MetaSynthError(
        f"{location}: no Chroma server answers there",
        hint="start one with `chroma run`",
        code="unreachable",
    )


def _vectors_name(root: str) -> str:
    return "vectors-" + hashlib.sha256(root.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _parse(answer: Any) -> dict[str, Row]:
    columns = zip(answer["ids"], answer["documents"], answer["metadatas"], strict=True)
    return {id_: parse_row(document, metadata) for id_, document, metadata in columns}


def _replacing(row: Row, earlier: Row) -> dict[str, Any]:
    """Metadata that leaves nothing of the earlier row: `update` merges, None removes a key."""
    return dict.fromkeys(earlier.metadata()) | row.metadata()


def _spread(ids: Sequence[str]) -> NDArray[np.float32]:
    """Vectors for rows that have none of their own; all different, which keeps the index fast."""
    return _matrix([[int(id_[:6], 16) / 0x1000000] for id_ in ids])


def _matrix(rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    return np.asarray(rows, dtype=np.float32)
