"""What conductor and gate know about the records written before, and about those being written.

The records' summaries and openings lie in a store, each under a root label of its own, so that
both can be searched without a condition. Counts and claims are held in this process: one process
works in a run directory, and `reconcile` counts anew at its start.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore, PutOp

from metasynth.records.record import Record
from metasynth.text.words import excerpt, opening

from .corpus import Corpus
from .digest import LABEL_WORDS, Claim, Digest, Neighbour, most_frequent, shortened

SUMMARIES = ("summaries",)
OPENINGS = ("openings",)
_BATCH = 256
_PAGE = 50_000  # a later page of a store costs what the earlier ones cost together
_RECENT = 1000


class RecordMemory:
    """The records in a store, by what they say and how they begin.

    Args:
        store: Any LangGraph store with an index; its vectors must come from `embedder`.
        embedder: Measures the distances that are given out.
        opening_words: How many words of a record's body are its opening.
    """

    def __init__(self, store: BaseStore, embedder: Embeddings, *, opening_words: int = 12) -> None:
        self._store = store
        self._embedder = embedder
        self._opening_words = opening_words
        self._claims: dict[str, Claim] = {}
        self._forget()

    def __len__(self) -> int:
        """How many records are remembered."""
        return len(self._ids)

    def __contains__(self, id_: object) -> bool:
        """Whether the record with this id is remembered."""
        return id_ in self._ids

    async def remember(self, record: Record) -> None:
        """Keep an accepted record; a second time changes nothing."""
        if record.id in self._ids:
            return
        await self._write(self._puts(record))
        if record.id not in self._ids:  # another task may have been faster
            self._count(record)

    async def nearest(
        self, *, summary: str | None = None, opening: str | None = None, k: int = 1
    ) -> list[Neighbour]:
        """The `k` records whose summary or opening is nearest to the given ones, nearest first."""
        queries = [(SUMMARIES, summary), (OPENINGS, opening)]
        asked = [(namespace, text) for namespace, text in queries if text]
        if k < 1 or not asked or not self._ids:
            return []
        found = await asyncio.gather(
            *(self._store.asearch(namespace, query=text, limit=k) for namespace, text in asked)
        )
        values = {item.key: item.value for items in found for item in items}
        values = {id_: value for id_, value in values.items() if id_ in self._ids}
        to_summary = await self._distances(summary, [v["summary"] for v in values.values()])
        to_opening = await self._distances(opening, [v["opening"] for v in values.values()])
        neighbours = [
            Neighbour(
                id=id_,
                distance=min(part for part in (near, begin) if part is not None),
                summary_distance=near,
                opening_distance=begin,
                summary=value["summary"],
                topic=value["topic"],
            )
            for (id_, value), near, begin in zip(
                values.items(), to_summary, to_opening, strict=True
            )
        ]
        return sorted(neighbours, key=lambda found: (found.distance, found.id))[:k]

    def claim(self, chain: str, label: str, keywords: Sequence[str] = ()) -> None:
        """Say what a chain writes about now, in place of what it said before."""
        self._claims.pop(chain, None)
        self._claims[chain] = Claim(chain, excerpt(label, LABEL_WORDS), tuple(keywords))

    def release(self, chain: str) -> None:
        """The chain writes about nothing now."""
        self._claims.pop(chain, None)

    def claims(self, *, without: str | None = None) -> list[Claim]:
        """What chains write about now, the latest last; `without` leaves one chain out."""
        return [claim for claim in self._claims.values() if claim.chain != without]

    def topics(self) -> Counter[str]:
        """How many records each topic has."""
        return self._topics.copy()

    def genres(self) -> Counter[str]:
        """How many records each genre has."""
        return self._genres.copy()

    def personas(self) -> Counter[str]:
        """How many records each persona has."""
        return self._personas.copy()

    def recent_labels(self, count: int) -> list[str]:
        """The topics of the last `count` records (at most 1,000), newest first."""
        return list(self._labels)[:count]

    async def digest(
        self,
        query_text: str,
        *,
        k: int = 3,
        labels: int = 8,
        topics: int = 12,
        others: int = 8,
        words: int = 30,
        chain: str | None = None,
    ) -> Digest:
        """The part of the memory that a conductor is shown before it writes.

        Args:
            query_text: What the record will be about; its nearest summaries are shown.
            k: How many of them.
            labels: How many recent labels.
            topics: How many topics, and how many genres, are named.
            others: How many claims of other chains, the latest ones.
            words: The most words of a summary.
            chain: Whose digest it is: its own claim is left out.
        """
        near = await self.nearest(summary=query_text, k=k)
        named_topics, other_topics = most_frequent(self._topics, topics)
        named_genres, other_genres = most_frequent(self._genres, topics)
        latest = self.claims(without=chain)[-others:] if others else []
        return Digest(
            records=len(self),
            neighbours=tuple(shortened(neighbour, words) for neighbour in near),
            topics=named_topics,
            other_topics=other_topics,
            labels=tuple(excerpt(label, LABEL_WORDS) for label in self.recent_labels(labels)),
            genres=named_genres,
            other_genres=other_genres,
            claims=tuple(
                Claim(claim.chain, claim.label, claim.keywords[:LABEL_WORDS]) for claim in latest
            ),
        )

    async def reconcile(self, corpus: Corpus) -> None:
        """Make the store agree with the corpus: add what it lacks, delete what it has too much.

        Counts start from the corpus and claims from nothing. To be called before a run goes on.
        """
        summaries = {key async for key in self._keys(SUMMARIES)}
        openings = {key async for key in self._keys(OPENINGS)}
        self._forget()
        missing: list[PutOp] = []
        for record in corpus.records():
            if record.id not in summaries or record.id not in openings:
                missing.extend(self._puts(record))
            self._count(record)
            if len(missing) >= _BATCH:
                await self._write(missing)
                missing = []
        extra = [PutOp(SUMMARIES, key, None) for key in sorted(summaries - self._ids)]
        extra += [PutOp(OPENINGS, key, None) for key in sorted(openings - self._ids)]
        await self._write([*missing, *extra])

    async def rebuild(self, corpus: Corpus) -> None:
        """Write the store anew from the corpus, whatever it holds."""
        for namespace in (SUMMARIES, OPENINGS):
            keys = [key async for key in self._keys(namespace)]
            await self._write([PutOp(namespace, key, None) for key in keys])
        await self.reconcile(corpus)

    def _forget(self) -> None:
        self._claims.clear()
        self._ids: set[str] = set()
        self._topics: Counter[str] = Counter()
        self._genres: Counter[str] = Counter()
        self._personas: Counter[str] = Counter()
        self._labels: deque[str] = deque(maxlen=_RECENT)

    def _count(self, record: Record) -> None:
        self._ids.add(record.id)
        for counter, name in (
            (self._topics, record.topic),
            (self._genres, record.genre),
            (self._personas, record.persona),
        ):
            if name:
                counter[name] += 1
        if record.topic:
            self._labels.appendleft(record.topic)

    def _puts(self, record: Record) -> list[PutOp]:
        # Both items hold both texts, so that either search gives both distances.
        value = {
            "summary": record.summary or excerpt(record.body, 40),
            "opening": opening(record.body, self._opening_words),
            "topic": record.topic,
            "genre": record.genre,
            "persona": record.persona,
        }
        return [
            PutOp(SUMMARIES, record.id, value, index=["summary"]),
            PutOp(OPENINGS, record.id, value, index=["opening"]),
        ]

    async def _write(self, ops: Sequence[PutOp]) -> None:
        """Write in batches that hold no text twice, which LangGraph's InMemoryStore refuses."""
        batch: list[PutOp] = []
        texts: set[str] = set()
        for op in ops:
            text = op.value[op.index[0]] if op.value and op.index else None
            if text is not None and text in texts:
                await self._store.abatch(batch)
                batch, texts = [], set()
            batch.append(op)
            if text is not None:
                texts.add(text)
        if batch:
            await self._store.abatch(batch)

    async def _distances(self, text: str | None, others: Sequence[str]) -> list[float | None]:
        if not text:
            return [None] * len(others)
        rows = np.asarray(await self._embedder.aembed_documents([text, *others]))
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return [max(0.0, float(1.0 - score)) for score in rows[1:] @ rows[0]]

    async def _keys(self, namespace: tuple[str, ...]) -> AsyncIterator[str]:
        offset = 0
        while True:
            items = await self._store.asearch(namespace, limit=_PAGE, offset=offset)
            for item in items:
                yield item.key
            if len(items) < _PAGE:
                return
            offset += _PAGE
