"""The records of a run by what they say and how they begin, searched exactly."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from metasynth.batching import Batcher
from metasynth.vectors.index import VectorIndex

from .digest import Neighbour

_AT_ONCE = 1000  # texts embedded together
_VECTORS_KEPT = 2048
_SEARCHES_KEPT = 1024
_IN_PLACE = 8192  # rows: fewer are searched in less than the time that a thread costs
_TOGETHER = 64

Vector = NDArray[np.floating]


class Remembered(NamedTuple):
    """What is told of a record that is near."""

    id: str
    summary: str
    topic: str


class _Search(NamedTuple):
    among: VectorIndex
    query: Vector
    k: int


class _Space:
    """One text of every record: its vectors as far as they were needed, and the texts since."""

    def __init__(self) -> None:
        self.index = VectorIndex()
        self.pending: list[str] = []
        self.searches: OrderedDict[tuple[str, int], tuple[int, list[int]]] = OrderedDict()

    def keep(self, text: str, k: int, end: int, places: list[int]) -> None:
        """Remember what was nearest to a text among the first `end` rows."""
        self.searches[text, k] = (end, places)
        self.searches.move_to_end((text, k))
        if len(self.searches) > _SEARCHES_KEPT:
            self.searches.popitem(last=False)


class Neighbours:
    """Exact search among summaries and openings; a text is embedded when first asked about.

    A draft is measured when it is judged and again when it is admitted: its vectors are known then,
    and only what came in between is searched.
    """

    def __init__(self, embedder: Embeddings) -> None:
        self._embedder = embedder
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._filling = asyncio.Lock()
        self._batcher: Batcher[_Search, tuple[int, list[int]]] | None = None
        self.clear()

    def clear(self) -> None:
        """Know no record."""
        self._records: list[Remembered] = []
        self._summaries, self._openings = _Space(), _Space()

    def close(self) -> None:
        """Let go of the thread."""
        if self._batcher is not None:
            self._batcher.close()

    def add(self, record: Remembered, opening: str) -> None:
        """Know one more record."""
        self._records.append(record)
        self._summaries.pending.append(record.summary)
        self._openings.pending.append(opening)

    async def nearest(self, summary: str | None, opening: str | None, k: int) -> list[Neighbour]:
        """The `k` records nearest by either text, nearest first, then by id."""
        asked = [
            (space, text)
            for space, text in ((self._summaries, summary), (self._openings, opening))
            if text
        ]
        if k < 1 or not asked or not self._records:
            return []
        rows = await self._rows([text for _, text in asked])
        await self._fill()
        queries = [(space, text, row) for (space, text), row in zip(asked, rows, strict=True)]
        if len(self._records) > _IN_PLACE:  # what is added meanwhile is searched below
            await asyncio.gather(*(self._search(*query, k) for query in queries))
            await self._fill()
        # nothing is awaited from here on, so no record comes in between
        places = sorted({place for query in queries for place in self._now(*query, k)})
        to_summary, to_opening = (
            self._distances(of, queries, places) for of in (self._summaries, self._openings)
        )
        neighbours = [
            Neighbour(
                id=self._records[place].id,
                distance=min(part for part in (near, begin) if part is not None),
                summary_distance=near,
                opening_distance=begin,
                summary=self._records[place].summary,
                topic=self._records[place].topic,
            )
            for place, near, begin in zip(places, to_summary, to_opening, strict=True)
        ]
        return sorted(neighbours, key=lambda neighbour: (neighbour.distance, neighbour.id))[:k]

    async def _rows(self, texts: Sequence[str]) -> list[Vector]:
        """The vectors of texts."""
        rows = {text: self._vectors[text] for text in texts if text in self._vectors}
        missing = [text for text in dict.fromkeys(texts) if text not in rows]
        if missing:
            made = np.asarray(await self._embedder.aembed_documents(missing), dtype=np.float32)
            rows |= dict(zip(missing, made, strict=True))
            self._vectors |= {text: rows[text] for text in missing[-_VECTORS_KEPT:]}
            while len(self._vectors) > _VECTORS_KEPT:
                self._vectors.popitem(last=False)
        return [rows[text] for text in texts]

    async def _fill(self) -> None:
        """Take in the vectors of all records; there are none without when this returns."""
        async with self._filling:
            for space in (self._summaries, self._openings):
                while space.pending:
                    part = space.pending[:_AT_ONCE]
                    space.index.add(np.stack(await self._rows(part)))
                    del space.pending[: len(part)]
        # the last part of the other space may have been awaited while records came
        if self._summaries.pending or self._openings.pending:
            await self._fill()

    async def _search(self, space: _Space, text: str, row: Vector, k: int) -> None:
        """Search all rows that there are, together with others' searches, in a thread."""
        start, _ = space.searches.get((text, k), (0, []))
        if len(space.index) - start <= _IN_PLACE:
            return
        if self._batcher is None:
            self._batcher = Batcher(_search_together, most=_TOGETHER, name="nearest")
        search = _Search(space.index, row, k)
        end, places = await asyncio.wrap_future(self._batcher.submit(search))
        space.keep(text, k, end, places)

    def _now(self, space: _Space, text: str, row: Vector, k: int) -> list[int]:
        """The places nearest to a text now: of those known to be, and of what came since."""
        end, places = space.searches.get((text, k), (0, []))
        if end < len(space.index):
            new = space.index.nearest(row[None], k, start=end)[0]
            places = [*places, *new]
            distances = space.index.distances(row, places)
            places = [places[each] for each in np.argsort(distances, kind="stable")[:k]]
            space.keep(text, k, len(space.index), places)
        return places

    def _distances(
        self, of: _Space, queries: Sequence[tuple[_Space, str, Vector]], places: list[int]
    ) -> Sequence[float | None]:
        for space, _, row in queries:
            if space is of:
                return [float(distance) for distance in of.index.distances(row, places)]
        return [None] * len(places)


def _search_together(searches: list[_Search]) -> list[tuple[int, list[int]]]:
    """One product for all searches of the same index: how many rows it saw, and the places."""
    results: dict[int, tuple[int, list[int]]] = {}
    groups: dict[tuple[int, int], list[int]] = {}
    for number, search in enumerate(searches):
        groups.setdefault((id(search.among), search.k), []).append(number)
    for numbers in groups.values():
        index, k = searches[numbers[0]].among, searches[numbers[0]].k
        end = len(index)
        places = index.nearest(np.stack([searches[n].query for n in numbers]), k, end=end)
        results |= {number: (end, each) for number, each in zip(numbers, places, strict=True)}
    return [results[number] for number in range(len(searches))]
