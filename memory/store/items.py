"""How an item of the store lies in Chroma.

An item is one row of the collection of items: its value as JSON in the document, what can be
filtered in the metadata. Each text that it is searched by is one row in the collection of vectors
of its root label. The vectors of a write carry its revision, so that the one update of the item's
row makes value and vectors change together: vectors of another revision do not count.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from langgraph.store.base import Item, SearchItem

from .filters import field_metadata

Namespace = tuple[str, ...]


def row_id(namespace: Namespace, key: str) -> str:
    """The id of an item's row; JSON inside, because labels and keys may hold any separator."""
    return hashlib.sha256(json.dumps([list(namespace), key]).encode()).hexdigest()[:40]


def namespace_text(namespace: Namespace) -> str:
    """A namespace as a string, equal only for equal namespaces."""
    return json.dumps(list(namespace))


def parse_namespace(text: str) -> Namespace:
    """The inverse of `namespace_text`."""
    return tuple(json.loads(text))


def prefix_clauses(prefix: Namespace) -> list[dict[str, Any]]:
    """The `where` clause that holds for the rows of all namespaces below `prefix`."""
    return [{f"p{len(prefix)}": {"$eq": namespace_text(prefix)}}] if prefix else []


def where(clauses: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The clauses as one condition; Chroma wants neither an empty one nor an $and of one."""
    if len(clauses) > 1:
        return {"$and": clauses}
    return clauses[0] if clauses else None


@dataclass(frozen=True, slots=True)
class Row:
    """An item with what the store keeps about it.

    `document` is the value as JSON. Times are seconds since the epoch, `ttl` minutes (None: the
    item stays), `vectors` the number of vector rows of this `revision`.
    """

    namespace: Namespace
    key: str
    document: str
    created: float
    updated: float
    ttl: float | None = None
    expires: float | None = None
    revision: str = ""
    vectors: int = 0

    @property
    def id(self) -> str:
        """The id of the row in the collection of items."""
        return row_id(self.namespace, self.key)

    @property
    def value(self) -> dict[str, Any]:
        """The value, read anew each time, so that no two callers share it."""
        value: dict[str, Any] = json.loads(self.document)
        return value

    def is_expired(self, now: float) -> bool:
        """Whether its time to live is over."""
        return self.expires is not None and self.expires <= now

    def vector_ids(self) -> list[str]:
        """The ids of its rows in the collection of vectors."""
        return [f"{self.id}-{self.revision}-{number}" for number in range(self.vectors)]

    def scope(self) -> dict[str, Any]:
        """The metadata that item and vectors share: where it lies and what it can be found by."""
        prefixes = {
            f"p{depth}": namespace_text(self.namespace[:depth])
            for depth in range(1, len(self.namespace) + 1)
        }
        return prefixes | field_metadata(self.value)

    def metadata(self) -> dict[str, Any]:
        """The metadata of its row in the collection of items."""
        kept = {
            "ns": namespace_text(self.namespace),
            "key": json.dumps(self.key),
            "created": self.created,
            "updated": self.updated,
            "ttl": self.ttl,
            "expires": self.expires,
            "revision": self.revision,
            "vectors": self.vectors,
        }
        return self.scope() | {name: part for name, part in kept.items() if part is not None}

    def vector_metadata(self) -> dict[str, Any]:
        """The metadata of each of its rows in the collection of vectors."""
        return self.scope() | {"item": self.id, "revision": self.revision, "at": self.updated}

    def item(self) -> Item:
        """The item as the store's callers see it."""
        return Item(
            value=self.value,
            key=self.key,
            namespace=self.namespace,
            created_at=_time(self.created),
            updated_at=_time(self.updated),
        )

    def search_item(self, score: float | None) -> SearchItem:
        """The item as a search gives it; `score` is a cosine similarity, None where unranked."""
        return SearchItem(
            namespace=self.namespace,
            key=self.key,
            value=self.value,
            created_at=_time(self.created),
            updated_at=_time(self.updated),
            score=score,
        )


def parse_row(document: str, metadata: dict[str, Any]) -> Row:
    """The row that lies in Chroma with this document and metadata."""
    return Row(
        namespace=parse_namespace(metadata["ns"]),
        key=json.loads(metadata["key"]),
        document=document,
        created=metadata["created"],
        updated=metadata["updated"],
        ttl=metadata.get("ttl"),
        expires=metadata.get("expires"),
        revision=metadata["revision"],
        vectors=metadata["vectors"],
    )


def new_revision() -> str:
    """A name for one write of one item."""
    return secrets.token_hex(8)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
