"""What conductor and gate are told about the records before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore, IndexConfig
from langgraph.store.memory import InMemoryStore

from metasynth.memory.corpus import Corpus
from metasynth.memory.digest import Claim, Digest
from metasynth.memory.records import RecordMemory
from metasynth.memory.store.chroma_store import ChromaStore
from metasynth.records.record import Message, Record
from tests.word_embeddings import WordEmbeddings


@pytest.fixture(params=["memory", "chroma"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    index: IndexConfig = {"dims": 256, "embed": WordEmbeddings(), "fields": ["text"]}
    if request.param == "memory":
        yield InMemoryStore(index=index)
        return
    with ChromaStore.open(tmp_path / "memory", index=index) as chroma:
        yield chroma


@pytest.fixture
def memory(store: BaseStore) -> RecordMemory:
    return RecordMemory(store, WordEmbeddings(), opening_words=4)


def record(id_: str, summary: str, text: str = "body", **fields: str) -> Record:
    return Record.model_validate({"id": id_, "summary": summary, "text": text, **fields})


async def remember(memory: RecordMemory, *records: Record) -> None:
    for each in records:
        await memory.remember(each)


async def test_the_nearest_by_summary_and_by_opening(memory: RecordMemory) -> None:
    await remember(
        memory,
        record("a", "a fox finds an inn", "Once there was snow. More follows here."),
        record("b", "a king buys boats", "The harbour was full of boats today."),
        record("c", "nurses count lamps", "Lamps are counted every night by nurses."),
    )
    near = await memory.nearest(summary="a fox finds an inn", opening="the harbour was full", k=3)
    assert [(each.id, round(each.distance, 4)) for each in near][:2] == [("a", 0.0), ("b", 0.0)]
    first, second = near[:2]
    assert first.summary_distance == pytest.approx(0, abs=1e-6)
    assert first.opening_distance is not None
    assert first.opening_distance > 0.2
    assert second.opening_distance == pytest.approx(0, abs=1e-6)
    assert second.summary_distance is not None
    assert second.summary_distance > 0.2
    assert first.summary == "a fox finds an inn"


async def test_one_part_alone_gives_one_distance(memory: RecordMemory) -> None:
    await remember(memory, record("a", "a fox", "once upon a time"))
    (by_summary,) = await memory.nearest(summary="fox", k=5)
    assert by_summary.opening_distance is None
    assert by_summary.distance == by_summary.summary_distance
    (by_opening,) = await memory.nearest(opening="once upon a time")
    assert by_opening.summary_distance is None
    assert by_opening.distance == pytest.approx(0, abs=1e-6)
    assert await memory.nearest() == []
    assert await memory.nearest(summary="fox", k=0) == []


async def test_an_empty_memory_has_no_neighbours(memory: RecordMemory) -> None:
    assert await memory.nearest(summary="a fox", opening="once") == []
    digest = await memory.digest("a fox")
    assert digest == Digest(
        records=0,
        neighbours=(),
        topics=(),
        other_topics=0,
        labels=(),
        genres=(),
        other_genres=0,
        claims=(),
    )


async def test_counts_of_what_was_written(memory: RecordMemory) -> None:
    first = record("a", "s", topic="fog", genre="riddle", persona="a nurse")
    await remember(memory, first, first, record("b", "s", topic="sea", genre="riddle"))
    await remember(memory, record("c", "s", topic="fog"))
    assert len(memory) == 3
    assert "a" in memory
    assert memory.topics() == {"fog": 2, "sea": 1}
    assert memory.genres() == {"riddle": 2}
    assert memory.personas() == {"a nurse": 1}
    assert memory.recent_labels(2) == ["fog", "sea"]
    memory.topics().clear()
    assert memory.topics()["fog"] == 2


async def test_records_without_a_summary_are_known_by_their_beginning(memory: RecordMemory) -> None:
    messages = [
        Message(role="user", content="How many lamps?"),
        Message(role="assistant", content="9"),
    ]
    await memory.remember(Record(id="a", kind="instruction", messages=messages))
    (near,) = await memory.nearest(summary="how many lamps? 9")
    assert near.distance == pytest.approx(0, abs=1e-6)


def test_claims_of_the_chains(memory: RecordMemory) -> None:
    memory.claim("c1", "a fox at sea", ["fox", "sea"])
    memory.claim("c2", "lamps")
    memory.claim("c1", "boats")
    assert memory.claims() == [Claim("c2", "lamps"), Claim("c1", "boats")]
    assert memory.claims(without="c1") == [Claim("c2", "lamps")]
    memory.release("c2")
    memory.release("c2")
    assert memory.claims() == [Claim("c1", "boats")]


async def test_the_digest_does_not_grow(memory: RecordMemory) -> None:
    async def size(count: int) -> int:
        while len(memory) < count:
            number = len(memory)
            await memory.remember(
                record(
                    f"r{number:05}",
                    f"summary {number:05} " + "word " * 100,
                    topic=f"topic {number:05} " + "x " * 30,
                    genre=f"genre {number:05}",
                )
            )
            memory.claim(f"chain-{number:05}", f"label {number:05} " + "y " * 50, ["k"] * 40)
        digest = await memory.digest("summary", k=3, labels=8, topics=12, others=4, words=20)
        assert sum(each for _, each in digest.topics) + digest.other_topics == count
        assert sum(each for _, each in digest.genres) + digest.other_genres == count
        assert all(len(each.summary.split()) <= 21 for each in digest.neighbours)
        assert len(digest.claims) == 4
        return len(repr(digest))

    small = await size(20)
    assert await size(80) <= small * 1.05


async def test_the_digest_names_what_is_near_frequent_and_recent(memory: RecordMemory) -> None:
    for number, topic in enumerate(["fog", "sea", "fog", "inn", "sea", "fog"]):
        await memory.remember(record(f"r{number}", f"about {topic} {number}", topic=topic))
    memory.claim("me", "mine")
    memory.claim("other", "theirs", ["k"])
    digest = await memory.digest("about inn 3", k=1, labels=2, topics=2, chain="me")
    assert [each.id for each in digest.neighbours] == ["r3"]
    assert digest.topics == (("fog", 3), ("sea", 2))
    assert digest.other_topics == 1
    assert digest.labels == ("fog", "sea")
    assert digest.claims == (Claim("other", "theirs", ("k",)),)


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    with Corpus(tmp_path / "run") as corpus:
        yield corpus


async def test_store_and_corpus_come_to_agree(store: BaseStore, corpus: Corpus) -> None:
    kept = [record(f"r{number}", f"s{number}", topic="fog", genre="g") for number in range(6)]
    for each in kept:
        corpus.accept(each)
    before = RecordMemory(store, WordEmbeddings())
    await remember(before, *kept[:4], record("stray", "not in the corpus"))
    before.claim("c1", "lost with the process")
    await before.flush()
    await store.adelete(("openings",), "r0")  # as if the write had been cut off

    memory = RecordMemory(store, WordEmbeddings())
    await memory.reconcile(corpus)
    for namespace in ("summaries", "openings"):
        found = await store.asearch((namespace,), limit=100)
        assert sorted(item.key for item in found) == [f"r{number}" for number in range(6)]
    assert len(memory) == 6
    assert memory.topics() == {"fog": 6}
    assert memory.claims() == []
    assert [each.id for each in await memory.nearest(summary="s5")] == ["r5"]


async def test_the_memory_can_be_rebuilt(store: BaseStore, corpus: Corpus) -> None:
    corpus.accept(record("a", "the summary of the corpus"))
    memory = RecordMemory(store, WordEmbeddings())
    await remember(memory, record("a", "another summary"), record("b", "stray"))
    await memory.flush()
    await memory.rebuild(corpus)
    (near,) = await memory.nearest(summary="the summary of the corpus", k=5)
    assert (near.id, near.summary) == ("a", "the summary of the corpus")
    assert near.distance == pytest.approx(0, abs=1e-6)
