"""How a search and a listing are answered from the collections.

Chroma narrows by prefix and filter and ranks; whether a row counts is decided here, on its value,
its time to live and its revision, and more is fetched until there are as many as were asked for.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from langgraph.store.base import ListNamespacesOp, MatchCondition, SearchOp

from .chroma import Collections, Hit
from .filters import matches, pushed
from .items import Namespace, Row, prefix_clauses, where

# A vector without its item is left from a write that was cut off, or belongs to one under way in
# another process; after this many seconds it is the former.
_ABANDONED = 600.0

Vector = Sequence[float]


class Reader:
    """Searches and listings over the collections of a store.

    Args:
        collections: Where the rows lie.
        is_gone: Whether a row has expired and is not to be given out.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        collections: Collections,
        *,
        is_gone: Callable[[Row], bool],
        clock: Callable[[], float],
    ) -> None:
        self._collections = collections
        self._is_gone = is_gone
        self._clock = clock

    def search(self, op: SearchOp, vector: Vector | None) -> list[tuple[Row, float | None]]:
        """The rows that a search finds, with their scores if there is a vector to rank by."""
        if op.limit <= 0:
            return []
        window = slice(op.offset, op.offset + op.limit)
        clauses = [*prefix_clauses(tuple(op.namespace_prefix)), *pushed(op.filter or {})]
        if vector is None:
            rows = self._collections.scan(where(clauses), page=window.stop)
            found = (row for row in rows if self._is_found(row, op))
            return [(row, None) for row in islice(found, window.start, window.stop)]
        prefix = tuple(op.namespace_prefix)
        # A root's vectors are a collection of their own, so its label needs no condition.
        condition = where(clauses[1:] if len(prefix) == 1 else clauses)
        roots = prefix[:1] or sorted({namespace[0] for namespace in self._collections.namespaces()})
        ranked = [pair for root in roots for pair in self._rank(op, root, vector, condition)]
        ranked.sort(key=lambda pair: (-pair[1], pair[0].id))
        return list(ranked[window])

    def _rank(
        self, op: SearchOp, root: str, vector: Vector, condition: dict[str, Any] | None
    ) -> list[tuple[Row, float]]:
        """At least the best `offset + limit` items of a root label, if there are as many."""
        wanted = op.offset + op.limit
        count = max(2 * wanted, 10)
        while True:
            hits = self._collections.nearest(root, vector, count=count, condition=condition)
            rows = self._collections.rows([hit.item for hit in hits]) if hits else {}
            best: dict[str, float] = {}
            for hit in hits:
                row = rows.get(hit.item)
                if row and row.revision == hit.revision and self._is_found(row, op):
                    best.setdefault(row.id, 1.0 - hit.distance)
            if len(best) >= wanted or len(hits) < count:
                self._remove_abandoned(root, hits, rows)
                return [(rows[id_], score) for id_, score in best.items()]
            count *= 4

    def _remove_abandoned(self, root: str, hits: list[Hit], rows: dict[str, Row]) -> None:
        before = self._clock() - _ABANDONED
        left = [
            hit.id
            for hit in hits
            if hit.at < before and (hit.item not in rows or rows[hit.item].revision != hit.revision)
        ]
        self._collections.remove_vectors(root, left)

    def namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        """The namespaces that a listing names."""
        conditions = op.match_conditions or ()
        matching = [
            namespace
            for namespace in self._collections.namespaces()
            if all(_fits(condition, namespace) for condition in conditions)
        ]
        return list(islice(self._living(matching, op.max_depth), op.offset, op.offset + op.limit))

    def _living(self, namespaces: list[Namespace], depth: int | None) -> Iterator[Namespace]:
        """The sorted namespaces that hold something, cut to `depth`, each once."""
        last: Namespace | None = None
        for namespace in namespaces:
            short = namespace[:depth]
            if short == last:
                continue
            rows = self._collections.scan({"ns": {"$eq": json.dumps(list(namespace))}}, page=10)
            if any(not self._is_gone(row) for row in rows):
                last = short
                yield short

    def _is_found(self, row: Row, op: SearchOp) -> bool:
        return not self._is_gone(row) and (not op.filter or matches(row.value, op.filter))


def _fits(condition: MatchCondition, namespace: Namespace) -> bool:
    """Whether a namespace begins or ends with the condition's labels, `*` standing for any one."""
    path = condition.path
    if len(path) > len(namespace):
        return False
    if condition.match_type == "prefix":
        part = namespace[: len(path)]
    elif condition.match_type == "suffix":
        part = namespace[len(namespace) - len(path) :]
    else:
        raise ValueError(f"Unsupported match type: {condition.match_type}")
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))
