"""A LangGraph store on Chroma: items by namespace and key, found by vector, filter and prefix.

One writer at a time for each embedded folder; many for a server, where the last write wins.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from langchain_core.embeddings import Embeddings
from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
    ensure_embeddings,
    get_text_at_path,
    validate_op_namespace,
)

from .chroma import Collections, told_in_one_line
from .filters import check_filter
from .items import Row, new_revision, row_id
from .reader import Reader, Vector

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A batch before anything is done: its writes, and the texts that need vectors."""

    ops: list[Op]
    puts: dict[str, PutOp] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def to_embed(self) -> list[str]:
        """The distinct texts of all writes."""
        return list(dict.fromkeys(text for texts in self.texts.values() for text in texts))

    def queries(self) -> list[str]:
        """The distinct queries of all searches."""
        queries = (op.query for op in self.ops if isinstance(op, SearchOp))
        return list(dict.fromkeys(query for query in queries if query))


@dataclass(frozen=True, slots=True)
class _Vectors:
    """The vectors of a batch by text."""

    documents: dict[str, Vector] = field(default_factory=dict)
    queries: dict[str, Vector] = field(default_factory=dict)


class ChromaStore(BaseStore):
    """LangGraph's `BaseStore` on an embedded Chroma or a Chroma server; see `open`.

    Reads of a batch see the state before its writes; of several writes to one key the last counts.
    A ranked search gives the items that have vectors; an item's score is its best vector's.
    """

    supports_ttl = True

    def __init__(
        self,
        collections: Collections,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.index_config = index
        self.ttl_config = ttl
        self.embeddings: Embeddings | None = ensure_embeddings(index["embed"]) if index else None
        self._collections = collections
        self._clock = clock
        self._omit_expired = (ttl or {}).get("omit_expired", True)
        self._reader = Reader(collections, is_gone=self._is_gone, clock=clock)
        self._swept = clock()
        self._lock = threading.Lock()
        # A thread of its own: waiting for Chroma must not use up the loop's few default threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chroma")

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        name: str = "store",
        clock: Clock = time.time,
    ) -> Self:
        """The store in a folder, or on the Chroma server at `http://HOST:PORT`.

        Args:
            location: A folder, made where it is missing, or a URL.
            index: What turns texts into vectors, and which fields are searched by them. Without
                it `query` lists instead of ranking.
            ttl: Default time to live, refresh on read, sweeping. Expired items are not given out
                unless `omit_expired` is False.
            name: Begins the names of its collections; several stores may share a server.
            clock: Seconds since the epoch.

        Raises:
            RequestError: The folder cannot be written, or the URL names no host.
            MetaSynthError: No server answers.
        """
        return cls(Collections(location, name=name), index=index, ttl=ttl, clock=clock)

    def close(self) -> None:
        """Finish what is under way and let go of Chroma."""
        self._thread.shutdown()
        self._collections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry the operations out; the results are in their order."""
        plan = self._plan(ops)
        texts, queries = plan.to_embed(), plan.queries()
        vectors = _Vectors()
        if self.embeddings is not None and texts:
            vectors.documents.update(
                zip(texts, self.embeddings.embed_documents(texts), strict=True)
            )
        if self.embeddings is not None:
            vectors.queries.update({query: self.embeddings.embed_query(query) for query in queries})
        return self._execute(plan, vectors)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry the operations out without blocking the loop."""
        plan = self._plan(ops)
        texts, queries = plan.to_embed(), plan.queries()
        vectors = _Vectors()
        if self.embeddings is not None and texts:
            found = await self.embeddings.aembed_documents(texts)
            vectors.documents.update(zip(texts, found, strict=True))
        if self.embeddings is not None and queries:
            found = await asyncio.gather(*map(self.embeddings.aembed_query, queries))
            vectors.queries.update(zip(queries, found, strict=True))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._execute, plan, vectors)

    def sweep(self) -> int:
        """Delete what has expired; gives how many items that were.

        With `sweep_interval_minutes` in the configuration it happens by itself, in the first batch
        after each interval.
        """
        with self._lock, told_in_one_line(self._collections.location):
            return self._sweep()

    def _plan(self, ops: Iterable[Op]) -> _Plan:
        """Everything that can be wrong with a batch is found here, before anything is written."""
        plan = _Plan(list(ops))
        for op in plan.ops:
            validate_op_namespace(op)
            if isinstance(op, PutOp):
                self._plan_put(plan, op)
            elif isinstance(op, SearchOp):
                check_filter(op.filter or {})
            elif not isinstance(op, (GetOp, ListNamespacesOp)):
                raise ValueError(f"Unknown operation type: {type(op)}")
        return plan

    def _plan_put(self, plan: _Plan, op: PutOp) -> None:
        if not op.namespace:
            raise InvalidNamespaceError("Namespace cannot be empty.")
        id_ = row_id(tuple(op.namespace), op.key)
        plan.puts[id_] = op
        plan.texts.pop(id_, None)
        plan.documents.pop(id_, None)
        if op.value is None:
            return
        plan.documents[id_] = json.dumps(dict(op.value))
        if self.index_config is not None and op.index is not False:
            fields = self.index_config.get("fields") or ["$"] if op.index is None else op.index
            value = json.loads(plan.documents[id_])
            texts = [text for path in fields for text in get_text_at_path(value, path)]
            plan.texts[id_] = list(dict.fromkeys(texts))

    def _execute(self, plan: _Plan, vectors: _Vectors) -> list[Result]:
        with self._lock, told_in_one_line(self._collections.location):
            self._sweep_if_due()
            wanted = [row_id(op.namespace, op.key) for op in plan.ops if isinstance(op, GetOp)]
            rows = self._collections.rows([*wanted, *plan.puts]) if wanted or plan.puts else {}
            expiries: dict[str, float] = {}
            results = [self._read(op, rows, vectors, expiries) for op in plan.ops]
            self._collections.postpone(
                {id_: at for id_, at in expiries.items() if id_ not in plan.puts}
            )
            self._write(plan, rows, vectors)
            return results

    def _read(
        self, op: Op, rows: dict[str, Row], vectors: _Vectors, expiries: dict[str, float]
    ) -> Result:
        if isinstance(op, GetOp):
            row = rows.get(row_id(op.namespace, op.key))
            if row is None or self._is_gone(row):
                return None
            self._note_read([row], op.refresh_ttl, expiries)
            return row.item()
        if isinstance(op, SearchOp):
            found = self._reader.search(op, vectors.queries.get(op.query or ""))
            self._note_read([row for row, _ in found], op.refresh_ttl, expiries)
            return [row.search_item(score) for row, score in found]
        return self._reader.namespaces(op) if isinstance(op, ListNamespacesOp) else None

    def _write(self, plan: _Plan, earlier: dict[str, Row], vectors: _Vectors) -> None:
        """Vectors first, then the items, which makes both count, then what they replace."""
        rows = [self._row(plan, id_, earlier) for id_ in plan.documents]
        self._collections.add_vectors(
            [
                (row, [vectors.documents[text] for text in plan.texts[row.id]])
                for row in rows
                if row.vectors
            ]
        )
        self._collections.write(rows, earlier)
        gone = [id_ for id_, op in plan.puts.items() if op.value is None and id_ in earlier]
        self._collections.remove(gone)
        self._remove_vectors([earlier[id_] for id_ in plan.puts if id_ in earlier])

    def _row(self, plan: _Plan, id_: str, earlier: dict[str, Row]) -> Row:
        op, now = plan.puts[id_], self._clock()
        before = earlier.get(id_)
        kept = before is not None and not self._is_gone(before)
        return Row(
            namespace=tuple(op.namespace),
            key=op.key,
            document=plan.documents[id_],
            created=before.created if before is not None and kept else now,
            updated=now,
            ttl=op.ttl,
            expires=None if op.ttl is None else now + op.ttl * 60,
            revision=new_revision(),
            vectors=len(plan.texts.get(id_, [])),
        )

    def _is_gone(self, row: Row) -> bool:
        return self._omit_expired and row.is_expired(self._clock())

    def _note_read(self, rows: list[Row], refresh: bool, expiries: dict[str, float]) -> None:
        if refresh:
            now = self._clock()
            expiries.update({row.id: now + row.ttl * 60 for row in rows if row.ttl is not None})

    def _sweep_if_due(self) -> None:
        interval = (self.ttl_config or {}).get("sweep_interval_minutes")
        if interval and self._clock() - self._swept >= interval * 60:
            self._sweep()

    def _sweep(self) -> int:
        self._swept = self._clock()
        expired = list(self._collections.scan({"expires": {"$lte": self._swept}}))
        self._collections.remove([row.id for row in expired])
        self._remove_vectors(expired)
        return len(expired)

    def _remove_vectors(self, rows: Iterable[Row]) -> None:
        by_root: dict[str, list[str]] = {}
        for row in rows:
            by_root.setdefault(row.namespace[0], []).extend(row.vector_ids())
        for root, ids in by_root.items():
            self._collections.remove_vectors(root, ids)
