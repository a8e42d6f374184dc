"""Time to live, with a clock that the test turns."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langgraph.store.base import GetOp, IndexConfig, PutOp, TTLConfig

from metasynth.memory.store.chroma_store import ChromaStore
from tests.word_embeddings import WordEmbeddings


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def minutes(self, count: float) -> None:
        self.now += 60 * count


Open = Callable[[TTLConfig | None], ChromaStore]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    opened: list[ChromaStore] = []

    def open_(ttl: TTLConfig | None) -> ChromaStore:
        index: IndexConfig = {"dims": 256, "embed": WordEmbeddings(), "fields": ["text"]}
        opened.append(ChromaStore.open(tmp_path / "store", index=index, ttl=ttl, clock=clock))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


def test_an_item_is_gone_after_its_minutes(open_store: Open, clock: Clock) -> None:
    store = open_store(None)
    store.put(("a", "short"), "k", {"text": "fox"}, ttl=10)
    store.put(("a", "long"), "k", {"text": "fox"})
    clock.minutes(10)
    assert store.get(("a", "short"), "k", refresh_ttl=False) is None
    assert [item.namespace[1] for item in store.search(("a",))] == ["long"]
    assert [item.namespace[1] for item in store.search(("a",), query="fox", limit=1)] == ["long"]
    assert store.list_namespaces() == [("a", "long")]


def test_reading_postpones_the_end(open_store: Open, clock: Clock) -> None:
    store = open_store(None)
    for key in "gsqn":
        store.put((key,), "k", {"text": "fox"}, ttl=10)
    clock.minutes(9)
    store.get(("g",), "k")
    store.search(("s",))
    store.search(("q",), query="fox")
    store.get(("n",), "k", refresh_ttl=False)
    clock.minutes(9)
    assert [store.get((key,), "k", refresh_ttl=False) is not None for key in "gsqn"] == [
        True,
        True,
        True,
        False,
    ]


def test_refreshing_can_be_off_by_configuration(open_store: Open, clock: Clock) -> None:
    store = open_store({"refresh_on_read": False})
    store.put(("a",), "k", {}, ttl=10)
    clock.minutes(9)
    assert store.get(("a",), "k") is not None
    clock.minutes(9)
    assert store.get(("a",), "k") is None


def test_a_default_that_a_put_can_override(open_store: Open, clock: Clock) -> None:
    store = open_store({"default_ttl": 5})
    store.put(("a",), "default", {})
    store.put(("a",), "longer", {}, ttl=50)
    store.put(("a",), "forever", {}, ttl=None)
    clock.minutes(6)
    assert sorted(item.key for item in store.search(("a",))) == ["forever", "longer"]


def test_a_new_write_sets_a_new_end(open_store: Open, clock: Clock) -> None:
    store = open_store(None)
    store.put(("a",), "stays", {}, ttl=10)
    store.put(("a",), "stays", {})
    store.put(("a",), "returns", {"n": 1}, ttl=10)
    clock.minutes(11)
    assert [item.key for item in store.search(("a",))] == ["stays"]
    store.put(("a",), "returns", {"n": 2}, ttl=10)
    item = store.get(("a",), "returns")
    assert item is not None
    assert item.value == {"n": 2}
    assert item.created_at.timestamp() == clock.now


def test_a_read_and_a_write_of_one_batch(open_store: Open, clock: Clock) -> None:
    store = open_store(None)
    store.put(("a",), "k", {"n": 1}, ttl=10)
    store.batch([GetOp(("a",), "k"), PutOp(("a",), "k", {"n": 2}, ttl=1)])
    clock.minutes(2)
    assert store.get(("a",), "k") is None


def test_sweeping_deletes_what_has_expired(open_store: Open, clock: Clock) -> None:
    store = open_store({"omit_expired": False})
    for number in range(3):
        store.put(("a",), f"k{number}", {"text": "fox"}, ttl=number + 1)
    clock.minutes(2)
    still = store.search(("a",), refresh_ttl=False)
    assert len(still) == 3  # expired, and as configured still given out
    assert store.sweep() == 2
    assert [item.key for item in store.search(("a",), query="fox")] == ["k2"]
    assert store.sweep() == 0


def test_sweeping_happens_by_itself(open_store: Open, clock: Clock) -> None:
    store = open_store({"omit_expired": False, "sweep_interval_minutes": 30})
    store.put(("a",), "k", {}, ttl=1)
    clock.minutes(29)
    assert store.get(("a",), "k", refresh_ttl=False) is not None
    clock.minutes(1)
    assert store.get(("a",), "k", refresh_ttl=False) is None
