"""What conductor and gate know about the records written before, and about those being written.

Everything that is asked while a run works is answered from this process: exact neighbours among the
vectors of summaries and openings (`neighbours.py`), counts, claims. One process works in a run
directory, and `load` reads the corpus at its start. A store has the same records for everybody
else; it is written behind (`store/behind.py`), each of summaries and openings under a root label of
its own, so that both can be searched without a condition.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore, PutOp

from metasynth.records.record import Record
from metasynth.text.words import excerpt, opening

from .corpus import Corpus
from .digest import LABEL_WORDS, Claim, Digest, Neighbour, most_frequent, shortened
from .neighbours import Neighbours, Remembered
from .store.behind import WriteBehind

SUMMARIES = ("summaries",)
OPENINGS = ("openings",)
_PAGE = 50_000  # a later page of a store costs what the earlier ones cost together
_RECENT = 1000


class RecordMemory:
    """The records by what they say and how they begin.

    Nothing is embedded before somebody asks for neighbours.

    Args:
        store: Any LangGraph store with an index, or what opens it when it is first written.
        embedder: Measures the distances that are given out.
        opening_words: How many words of a record's body are its opening.
        searchable: The store's items have vectors, so that it can be searched by a text.
    """

    def __init__(
        self,
        store: BaseStore | Callable[[], BaseStore],
        embedder: Embeddings,
        *,
        opening_words: int = 12,
        searchable: bool = True,
    ) -> None:
        self._store = WriteBehind((lambda: store) if isinstance(store, BaseStore) else store)
        self._opening_words = opening_words
        self._searchable = searchable
        self._neighbours = Neighbours(embedder)
        self._claims: dict[str, Claim] = {}
        self._forget()

    def __len__(self) -> int:
        """How many records are remembered."""
        return len(self._ids)

    def __contains__(self, id_: object) -> bool:
        """Whether the record with this id is remembered."""
        return id_ in self._ids

    async def remember(self, record: Record) -> None:
        """Keep an accepted record, which the next question knows; a second time changes nothing.

        The store has it a moment later; see `flush`.

        Raises:
            MetaSynthError: The store could not be written before.
        """
        if record.id in self._ids:
            return
        self._count(record)
        self._store.put(self._puts(record))

    async def nearest(
        self, *, summary: str | None = None, opening: str | None = None, k: int = 1
    ) -> list[Neighbour]:
        """The `k` records whose summary or opening is nearest to the given ones, nearest first."""
        return await self._neighbours.nearest(summary, opening, k)

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

    def load(self, corpus: Corpus) -> None:
        """Know the records of the corpus and no others; to be called before a run goes on.

        Counts start from the corpus and claims from nothing. The store is brought into agreement
        before it is next written, at the latest when it is flushed.
        """
        self._forget()
        for record in corpus.records():
            self._count(record)
        ids = corpus.accepted_ids()
        self._store.first(lambda store: self._disagreement(store, corpus, ids), needed=len(ids) > 0)

    async def reconcile(self, corpus: Corpus) -> None:
        """`load`, and have the store agree: add what it lacks, delete what it has too much."""
        await asyncio.to_thread(self.load, corpus)
        await self.flush()

    async def rebuild(self, corpus: Corpus) -> None:
        """Write the store anew from the corpus, whatever it holds."""
        self._store.first(
            lambda store: [
                PutOp(namespace, key, None)
                for namespace in (SUMMARIES, OPENINGS)
                for key in _keys(store, namespace)
            ],
            needed=True,
        )
        await self.reconcile(corpus)

    async def flush(self) -> None:
        """Wait until the store has all that was remembered.

        Raises:
            MetaSynthError: The store cannot be opened or written.
        """
        await asyncio.to_thread(self._store.flush)

    def close(self) -> None:
        """Have the store written to the end; it is closed by whoever opened it."""
        self._store.close()
        self._neighbours.close()

    def _forget(self) -> None:
        self._claims.clear()
        self._neighbours.clear()
        self._ids: set[str] = set()
        self._topics: Counter[str] = Counter()
        self._genres: Counter[str] = Counter()
        self._personas: Counter[str] = Counter()
        self._labels: deque[str] = deque(maxlen=_RECENT)

    def _count(self, record: Record) -> None:
        self._ids.add(record.id)
        self._neighbours.add(
            Remembered(record.id, _summary(record), record.topic),
            opening(record.body, self._opening_words),
        )
        for counter, name in (
            (self._topics, record.topic),
            (self._genres, record.genre),
            (self._personas, record.persona),
        ):
            if name:
                counter[name] += 1
        if record.topic:
            self._labels.appendleft(record.topic)

    def _disagreement(
        self, store: BaseStore, corpus: Corpus, ids: Sequence[str]
    ) -> Iterator[PutOp]:
        """What makes the store agree with these records of the corpus, which goes on meanwhile."""
        summaries, openings = set(_keys(store, SUMMARIES)), set(_keys(store, OPENINGS))
        for id_ in ids:
            record = None if id_ in summaries and id_ in openings else corpus.find(id_)
            if record is not None:
                yield from self._puts(record)
        yield from (PutOp(SUMMARIES, key, None) for key in sorted(summaries.difference(ids)))
        yield from (PutOp(OPENINGS, key, None) for key in sorted(openings.difference(ids)))

    def _puts(self, record: Record) -> list[PutOp]:
        # Both items hold both texts, so that either search gives both distances.
        value = {
            "summary": _summary(record),
            "opening": opening(record.body, self._opening_words),
            "topic": record.topic,
            "genre": record.genre,
            "persona": record.persona,
        }
        return [
            PutOp(SUMMARIES, record.id, value, index=["summary"] if self._searchable else False),
            PutOp(OPENINGS, record.id, value, index=["opening"] if self._searchable else False),
        ]


def _summary(record: Record) -> str:
    return record.summary or excerpt(record.body, 40)


def _keys(store: BaseStore, namespace: tuple[str, ...]) -> Iterator[str]:
    offset = 0
    while True:
        items = store.search(namespace, limit=_PAGE, offset=offset)
        yield from (item.key for item in items)
        if len(items) < _PAGE:
            return
        offset += _PAGE
