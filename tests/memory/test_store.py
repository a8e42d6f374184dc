"""What a LangGraph store has to get right, asked of every store that a run may use."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from metasynth.errors import MetaSynthError, RequestError
from metasynth.memory.store.chroma_store import ChromaStore
from tests.raising import raises
from tests.servers.chroma import chroma_server
from tests.word_embeddings import WordEmbeddings

DIMS = 256
Open = Callable[..., BaseStore]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("chroma") / "data") as url:
        yield url


@pytest.fixture(params=["memory", "embedded", "server"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a store with an index over the given fields."""
    opened: list[ChromaStore] = []

    def open_(fields: list[str] | None = None, *, indexed: bool = True) -> BaseStore:
        index: IndexConfig | None = None
        if indexed:
            index = {"dims": DIMS, "embed": WordEmbeddings(DIMS), "fields": fields or ["$"]}
        if request.param == "memory":
            return InMemoryStore(index=index)
        if request.param == "embedded":
            opened.append(ChromaStore.open(tmp_path / "chroma", index=index))
        else:
            url = request.getfixturevalue("server")
            opened.append(ChromaStore.open(url, index=index, name=f"t-{tmp_path.name}"))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open) -> BaseStore:
    return open_store(["text"])


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[ChromaStore]:
    """For what InMemoryStore gets wrong."""
    index: IndexConfig = {"dims": DIMS, "embed": WordEmbeddings(DIMS), "fields": ["text"]}
    with ChromaStore.open(tmp_path / "chroma", index=index) as store:
        yield store


@pytest.fixture(params=["embedded", "server"])
async def any_chroma(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ChromaStore]:
    index: IndexConfig = {"dims": DIMS, "embed": WordEmbeddings(DIMS), "fields": ["text"]}
    at = tmp_path / "c" if request.param == "embedded" else request.getfixturevalue("server")
    with ChromaStore.open(at, index=index, name=f"t-{tmp_path.name}") as store:
        yield store


def keys(found: list[SearchItem]) -> list[str]:
    return [item.key for item in found]


def read(store: BaseStore, namespace: tuple[str, ...], key: str) -> dict[str, Any]:
    item = store.get(namespace, key)
    assert item is not None
    return item.value


# Keys and values


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": None, "b": [], "c": {}, "d": [1, [2, {"e": ""}]]},
        {"n": 2**70, "f": 1e300, "i": float("inf"), "t": True},
        {"text": '“quoted” {{x}} """ \x00 \x1b \u2028 \ud800 </tool_call> 𝄞'},
        {"$gt": 1, "chroma:document": "x", "": "empty", "a.b": {"c": 1}},
    ],
)
def test_a_value_comes_back_as_it_was(store: BaseStore, value: dict[str, Any]) -> None:
    store.put(("a",), "k", value, index=False)
    assert read(store, ("a",), "k") == value


@pytest.mark.parametrize("key", ["k", "", "a/b:c|d", "é𝄞", "\ud800", "x" * 2000, "\x00"])
def test_any_string_is_a_key(store: BaseStore, key: str) -> None:
    store.put(("a",), key, {"v": key})
    assert read(store, ("a",), key) == {"v": key}
    store.delete(("a",), key)
    assert store.get(("a",), key) is None


def test_namespace_and_key_are_never_confused(store: BaseStore) -> None:
    places = [
        (("a", "b"), "c"),
        (("a",), "b/c"),
        (("a/b",), "c"),
        (("a",), 'b", "c'),
        (("A",), "c"),
    ]
    for number, (namespace, key) in enumerate(places):
        store.put(namespace, key, {"n": number})
    assert [read(store, namespace, key)["n"] for namespace, key in places] == [0, 1, 2, 3, 4]


def test_a_put_replaces_the_whole_value(store: BaseStore) -> None:
    store.put(("a",), "k", {"text": "one", "old": 1})
    store.put(("a",), "k", {"text": "two"})
    assert read(store, ("a",), "k") == {"text": "two"}
    assert store.search(("a",), filter={"old": 1}) == []


def test_deleting_what_is_not_there_is_no_error(store: BaseStore) -> None:
    store.delete(("a",), "k")
    store.put(("a",), "k", {"v": 1})
    store.delete(("a",), "k")
    store.delete(("a",), "k")
    assert store.get(("a",), "k") is None


def test_a_value_that_is_not_json_is_refused_before_anything_is_written(
    chroma: ChromaStore,
) -> None:
    with pytest.raises(TypeError):
        chroma.batch([PutOp(("a",), "good", {"v": 1}), PutOp(("a",), "bad", {"v": object()})])
    assert chroma.get(("a",), "good") is None


def test_values_are_never_shared(chroma: ChromaStore) -> None:
    given: dict[str, Any] = {"list": [1]}
    chroma.put(("a",), "k", given)
    given["list"].append(2)
    first, second = chroma.batch([GetOp(("a",), "k"), GetOp(("a",), "k")])
    assert first == second
    read(chroma, ("a",), "k")["list"].append(3)
    assert read(chroma, ("a",), "k") == {"list": [1]}


def test_creation_time_survives_an_update(tmp_path: Path) -> None:
    now = 1000.0
    with ChromaStore.open(tmp_path, clock=lambda: now) as store:
        store.put(("a",), "k", {"v": 1})
        now = 2000.0
        store.put(("a",), "k", {"v": 2})
        item = store.get(("a",), "k")
        assert item is not None
        assert (item.created_at.timestamp(), item.updated_at.timestamp()) == (1000.0, 2000.0)
        assert item.created_at.tzinfo is not None
        store.delete(("a",), "k")
        store.put(("a",), "k", {"v": 3})
        item = store.get(("a",), "k")
        assert item is not None
        assert item.created_at.timestamp() == 2000.0


# Batches


def test_results_are_in_the_order_of_the_operations(store: BaseStore) -> None:
    store.put(("a",), "k", {"v": 1})
    results = store.batch(
        [
            ListNamespacesOp(),
            PutOp(("b",), "new", {"v": 2}),
            GetOp(("a",), "k"),
            SearchOp(("a",)),
            GetOp(("a",), "missing"),
        ]
    )
    assert results[0] == [("a",)]
    assert results[1] is None
    assert getattr(results[2], "value", None) == {"v": 1}
    assert isinstance(results[3], list)
    assert len(results[3]) == 1
    assert results[4] is None


def test_reads_of_a_batch_see_the_state_before_its_writes(store: BaseStore) -> None:
    store.put(("a",), "k", {"v": 1})
    before = store.batch(
        [
            PutOp(("a",), "k", {"v": 2}),
            GetOp(("a",), "k"),
            PutOp(("a",), "j", {"v": 3}),
            SearchOp(("a",)),
        ]
    )
    assert getattr(before[1], "value", None) == {"v": 1}
    assert isinstance(before[3], list)
    assert len(before[3]) == 1
    assert read(store, ("a",), "k") == {"v": 2}


def test_the_last_write_to_a_key_wins(store: BaseStore) -> None:
    store.batch(
        [
            PutOp(("a",), "x", {"text": "one"}),
            PutOp(("a",), "x", None),
            PutOp(("a",), "x", {"text": "two"}),
            PutOp(("a",), "y", {"text": "one"}),
            PutOp(("a",), "y", None),
        ]
    )
    assert read(store, ("a",), "x") == {"text": "two"}
    assert store.get(("a",), "y") is None
    assert keys(store.search(("a",), query="one")) == ["x"]


def test_the_same_text_under_two_keys_in_one_batch(chroma: ChromaStore) -> None:
    chroma.batch([PutOp(("a",), key, {"text": "same"}) for key in "xy"])
    assert sorted(keys(chroma.search(("a",), query="same"))) == ["x", "y"]


def test_a_batch_may_exceed_what_chroma_takes_at_once(tmp_path: Path) -> None:
    count = 5600
    with ChromaStore.open(tmp_path) as store:
        store.batch([PutOp(("a",), str(n), {"n": n}) for n in range(count)])
        assert len(store.search(("a",), limit=10_000)) == count
        found = store.batch([GetOp(("a",), str(n)) for n in range(count)])
        assert all(item is not None for item in found)
        store.batch([PutOp(("a",), str(n), None) for n in range(count)])
        assert store.search(("a",), limit=10) == []


def test_an_empty_batch(store: BaseStore) -> None:
    assert store.batch([]) == []


async def test_async_twins_do_the_same(store: BaseStore) -> None:
    await asyncio.gather(*(store.aput(("a",), f"k{n}", {"text": f"w{n}"}) for n in range(20)))
    found = await asyncio.gather(*(store.aget(("a",), f"k{n}") for n in range(20)))
    assert [item.value["text"] for item in found if item] == [f"w{n}" for n in range(20)]
    assert keys(await store.asearch(("a",), query="w7", limit=1)) == ["k7"]
    await store.adelete(("a",), "k7")
    assert await store.aget(("a",), "k7") is None
    assert await store.alist_namespaces() == [("a",)]


async def test_threads_and_tasks_at_once(any_chroma: ChromaStore) -> None:
    def work(worker: int) -> None:
        for number in range(10):
            any_chroma.put(("w", str(worker)), f"k{number}", {"text": f"word{number}", "n": number})
            any_chroma.search(("w",), query="word3", limit=2)

    await asyncio.gather(
        *(asyncio.to_thread(work, worker) for worker in range(4)),
        *(any_chroma.aput(("t",), f"k{number}", {"text": "task"}) for number in range(10)),
    )
    assert len(any_chroma.search(("w",), limit=100)) == 40
    assert len(any_chroma.search(("t",), limit=100)) == 10


# Namespaces


@pytest.mark.parametrize("bad", [("a.b",), ("",), ("a", "x\x00y")])
def test_labels_that_are_refused(store: BaseStore, bad: tuple[str, ...]) -> None:
    with pytest.raises(InvalidNamespaceError):
        store.put(bad, "k", {})
    with pytest.raises(InvalidNamespaceError):
        store.search(bad)


def test_a_raw_batch_is_checked_as_well(chroma: ChromaStore) -> None:
    for op in (
        PutOp(("a.b",), "k", {}),
        GetOp(("",), "k"),
        SearchOp(("x\x00",)),
        PutOp((), "k", {}),
    ):
        with pytest.raises(InvalidNamespaceError):
            chroma.batch([op])
    with pytest.raises(ValueError, match="Unknown operation"):
        chroma.batch(["put"])  # type: ignore[list-item]


def test_the_empty_and_the_reserved_namespace_are_refused(store: BaseStore) -> None:
    for namespace in ((), ("langgraph", "x")):
        with pytest.raises(InvalidNamespaceError):
            store.put(namespace, "k", {})


def test_a_prefix_ends_at_a_label(store: BaseStore) -> None:
    for namespace in (("foo",), ("foo", "bar"), ("foobar",), ("Foo",), ("f%", "_"), ("f*",)):
        store.put(namespace, "k", {"ns": "/".join(namespace)})

    def below(*prefix: str) -> list[str]:
        return sorted(item.value["ns"] for item in store.search(prefix))

    assert below("foo") == ["foo", "foo/bar"]
    assert below("foo", "bar") == ["foo/bar"]
    assert below("f%") == ["f%/_"]
    assert below("f*") == ["f*"]
    assert below("f") == []
    assert below("*") == []
    assert len(below()) == 6


def test_namespaces_are_listed_sorted_cut_and_paged(store: BaseStore) -> None:
    for namespace in (("b",), ("a", "x", "1"), ("a", "x", "2"), ("a", "y"), ("c", "x", "1")):
        store.put(namespace, "k", {})
    assert store.list_namespaces() == [
        ("a", "x", "1"),
        ("a", "x", "2"),
        ("a", "y"),
        ("b",),
        ("c", "x", "1"),
    ]
    assert store.list_namespaces(max_depth=2) == [("a", "x"), ("a", "y"), ("b",), ("c", "x")]
    assert store.list_namespaces(max_depth=2, limit=2, offset=1) == [("a", "y"), ("b",)]
    assert store.list_namespaces(prefix=("a",)) == [("a", "x", "1"), ("a", "x", "2"), ("a", "y")]
    assert store.list_namespaces(suffix=("1",)) == [("a", "x", "1"), ("c", "x", "1")]
    assert store.list_namespaces(prefix=("*", "x"), suffix=("2",)) == [("a", "x", "2")]
    assert store.list_namespaces(prefix=("a", "x", "1", "z")) == []


def test_an_unknown_match_type_is_refused(chroma: ChromaStore) -> None:
    chroma.put(("a",), "k", {})
    condition = MatchCondition(match_type="infix", path=("a",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="infix"):
        chroma.batch([ListNamespacesOp(match_conditions=(condition,))])


def test_an_emptied_namespace_is_not_listed(chroma: ChromaStore) -> None:
    chroma.put(("a", "b"), "k", {})
    chroma.put(("a", "c"), "k", {})
    chroma.delete(("a", "b"), "k")
    assert chroma.list_namespaces() == [("a", "c")]
    assert chroma.list_namespaces(max_depth=1) == [("a",)]


# Filters


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"color": "red"}, "ad"),
        ({"color": "red", "n": 1}, "a"),
        ({"n": {"$gt": 1}}, "bc"),
        ({"n": {"$gte": 2, "$lt": 3.5}}, "bc"),
        ({"n": {"$lte": 1.0}}, "ad"),
        ({"n": {"$eq": 2}}, "b"),
        ({"color": {"$ne": "red"}}, "bc"),
        ({"color": "red", "n": {"$ne": 1}}, "d"),
        ({"tags": ["x", "y"]}, "a"),
        ({"deep": {"er": {"n": 1}}}, "c"),
        ({"deep": {"er": {"n": {"$gt": 1}}}}, ""),
        ({"nothing": "x"}, ""),
    ],
)
def test_filters(store: BaseStore, conditions: dict[str, Any], expected: str) -> None:
    store.put(("f",), "a", {"text": "t", "color": "red", "n": 1, "tags": ["x", "y"]})
    store.put(("f",), "b", {"text": "t", "color": "blue", "n": 2, "tags": ["x"]})
    store.put(("f",), "c", {"text": "t", "color": "Red", "n": 3.25, "deep": {"er": {"n": 1}}})
    store.put(("f",), "d", {"text": "t", "color": "red", "n": -7, "tags": []})
    assert "".join(sorted(keys(store.search(("f",), filter=conditions)))) == expected
    ranked = store.search(("f",), filter=conditions, query="t")
    assert "".join(sorted(keys(ranked))) == expected


def test_unknown_operators_are_refused(chroma: ChromaStore) -> None:
    for conditions in ({"n": {"$in": [1]}}, {"n": {"$gt": 1, "x": 2}}, {"a": {"b": {"$no": 1}}}):
        with pytest.raises(ValueError, match="Unsupported operator"):
            chroma.search(("a",), filter=conditions)


def test_filters_apply_before_the_limit(store: BaseStore) -> None:
    for number in range(60):
        value = {"text": f"w{number}", "n": number, "odd": [number % 2]}
        store.put(("f",), f"{number:02}", value)
    rare: list[dict[str, Any]] = [{"n": {"$gte": 57}}, {"n": {"$ne": -1}, "odd": [1]}]
    for conditions, count in zip(rare, (3, 30), strict=True):
        assert len(store.search(("f",), filter=conditions, limit=100)) == count
        assert len(store.search(("f",), filter=conditions, limit=100, query="w1")) == count
        assert len(store.search(("f",), filter=conditions, limit=3, query="w1")) == 3


def test_a_long_string_can_be_filtered(store: BaseStore) -> None:
    long = "word " * 4000
    store.put(("f",), "a", {"body": long})
    store.put(("f",), "b", {"body": long + "."})
    assert keys(store.search(("f",), filter={"body": long})) == ["a"]


# Vectors


def test_the_nearest_come_first_with_their_cosine(store: BaseStore) -> None:
    store.put(("a",), "far", {"text": "boat harbour"})
    store.put(("a",), "near", {"text": "fox garden"})
    store.put(("a",), "half", {"text": "fox boat"})
    found = store.search(("a",), query="fox garden")
    assert keys(found)[:2] == ["near", "half"]
    scores = [item.score for item in found if item.score is not None]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1.0, abs=1e-4)
    assert scores[2] < 0.5


def test_without_a_query_nothing_is_scored(store: BaseStore) -> None:
    store.put(("a",), "k", {"text": "fox"})
    assert [item.score for item in store.search(("a",))] == [None]
    assert [item.score for item in store.search(("a",), query="")] == [None]


def test_without_an_index_a_query_is_a_listing(open_store: Open) -> None:
    store = open_store(indexed=False)
    store.put(("a",), "k", {"text": "fox"})
    found = store.search(("a",), query="fox")
    assert [(item.key, item.score) for item in found] == [("k", None)]


def test_an_updated_item_is_found_by_its_new_text_only(store: BaseStore) -> None:
    store.put(("a",), "k", {"text": "fox"})
    store.put(("a",), "k", {"text": "boat"})
    old, new = store.search(("a",), query="fox"), store.search(("a",), query="boat")
    assert old[0].score is not None
    assert old[0].score < 0.5
    assert new[0].score == pytest.approx(1.0, abs=1e-4)


def test_a_deleted_item_is_not_found(store: BaseStore) -> None:
    for key in ("x", "y"):
        store.put(("a",), key, {"text": "fox"})
    store.delete(("a",), "x")
    assert keys(store.search(("a",), query="fox")) == ["y"]


def test_an_item_that_loses_its_index_is_no_longer_ranked(chroma: ChromaStore) -> None:
    chroma.put(("a",), "k", {"text": "fox"})
    chroma.put(("a",), "k", {"text": "fox"}, index=False)
    assert chroma.search(("a",), query="fox") == []
    assert keys(chroma.search(("a",))) == ["k"]


def test_each_path_has_its_own_vector_and_the_best_one_counts(open_store: Open) -> None:
    store = open_store(["title", "parts[*].text", "meta.tag"])
    store.put(
        ("a",),
        "k",
        {"title": "fox", "parts": [{"text": "boat"}, {"text": "mill"}], "meta": {"tag": "inn"}},
    )
    store.put(("a",), "j", {"title": "oak", "parts": []})
    for query in ("fox", "boat", "mill", "inn"):
        found = store.search(("a",), query=query)
        assert keys(found)[0] == "k"
        assert found[0].score == pytest.approx(1.0, abs=1e-4)
        assert len(found) == 2


def test_an_item_with_many_vectors_counts_once(store: BaseStore) -> None:
    for key in ("x", "y", "z"):
        texts = [f"fox {key}{number}" for number in range(12)]
        store.put(("a",), key, {"texts": texts}, index=["texts[*]"])
    first = keys(store.search(("a",), query="fox", limit=2))
    rest = keys(store.search(("a",), query="fox", limit=2, offset=2))
    assert sorted(first + rest) == ["x", "y", "z"]


def test_pages_of_a_ranking_follow_one_another(store: BaseStore) -> None:
    for number in range(30):
        text = " ".join(f"w{part}" for part in range(number + 1))
        store.put(("a",), f"{number:02}", {"text": text})
    whole = keys(store.search(("a",), query="w0 w1 w2", limit=30))
    paged = [
        key
        for offset in range(0, 30, 7)
        for key in keys(store.search(("a",), query="w0 w1 w2", limit=7, offset=offset))
    ]
    assert paged == whole
    assert len(set(whole)) == 30


def test_a_ranking_over_several_roots(store: BaseStore) -> None:
    store.put(("a",), "x", {"text": "fox boat"})
    store.put(("b", "c"), "y", {"text": "fox"})
    store.put(("b", "d"), "z", {"text": "mill"})
    assert keys(store.search((), query="fox", limit=2)) == ["y", "x"]
    assert keys(store.search(("b",), query="fox", limit=1)) == ["y"]
    assert keys(store.search(("b", "d"), query="fox")) == ["z"]
    assert store.search(("e",), query="fox") == []


def test_a_limit_of_nothing(store: BaseStore) -> None:
    store.put(("a",), "k", {"text": "fox"})
    assert store.search(("a",), limit=0) == []
    assert store.search(("a",), offset=5) == []
    assert store.search(("a",), query="fox", offset=5) == []


def test_async_only_embeddings_serve_the_async_methods(tmp_path: Path) -> None:
    words = WordEmbeddings(DIMS)

    async def embed(texts: Sequence[str]) -> list[list[float]]:
        return words.embed_documents(list(texts))

    async def work() -> list[str]:
        index: IndexConfig = {"dims": DIMS, "embed": embed, "fields": ["text"]}
        with ChromaStore.open(tmp_path, index=index) as store:
            await store.aput(("a",), "k", {"text": "fox"})
            return keys(await store.asearch(("a",), query="fox"))

    assert asyncio.run(work()) == ["k"]


# Kept on disk


def test_a_store_opened_again_holds_what_was_written(tmp_path: Path) -> None:
    index: IndexConfig = {"dims": DIMS, "embed": WordEmbeddings(DIMS), "fields": ["text"]}
    with ChromaStore.open(tmp_path, index=index) as store:
        store.put(("a", "b"), "k", {"text": "fox"})
    with ChromaStore.open(tmp_path, index=index) as store:
        assert keys(store.search(("a",), query="fox")) == ["k"]
        assert store.list_namespaces() == [("a", "b")]


def test_stores_of_different_names_share_a_place(tmp_path: Path) -> None:
    with (
        ChromaStore.open(tmp_path, name="one") as one,
        ChromaStore.open(tmp_path, name="two") as two,
    ):
        one.put(("a",), "k", {"v": 1})
        assert two.get(("a",), "k") is None


def test_places_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with raises(RequestError, "not_writable", "file"):
        ChromaStore.open(tmp_path / "file" / "below")
    with raises(RequestError, "missing_host"):
        ChromaStore.open("http://")
    with raises(MetaSynthError, "unreachable"):
        ChromaStore.open("http://127.0.0.1:1")


def test_a_server_that_goes_away_is_told_in_one_line(tmp_path: Path) -> None:
    with chroma_server(tmp_path / "data") as url:
        store = ChromaStore.open(url)
        store.put(("a",), "k", {})
    with raises(MetaSynthError, "store_failed", "http://127.0.0.1:"):
        store.get(("a",), "k")
    store.close()


def test_another_embedder_on_an_old_store_is_told_in_one_line(tmp_path: Path) -> None:
    for dims in (256, 128):
        index: IndexConfig = {"dims": dims, "embed": WordEmbeddings(dims), "fields": ["text"]}
        with ChromaStore.open(tmp_path, index=index) as store:
            if dims == 256:
                store.put(("a",), "k", {"text": "fox"})
            else:
                with raises(MetaSynthError, "store_failed", "dimension"):
                    store.put(("a",), "k", {"text": "fox"})
                assert read(store, ("a",), "k") == {"text": "fox"}


def test_vectors_left_by_a_cut_off_write_do_not_count_and_are_removed(tmp_path: Path) -> None:
    now = 1000.0
    words = WordEmbeddings()
    index: IndexConfig = {"dims": 256, "embed": words, "fields": ["text"]}
    with ChromaStore.open(tmp_path, index=index, clock=lambda: now) as store:
        for key in ("x", "y", "z"):
            store.put(("a",), key, {"text": "fox"})
        inner = store._collections
        inner.remove([row.id for row in inner.scan(None) if row.key != "z"])

        def vectors() -> int:
            return len(inner.nearest("a", words.embed_query("fox"), count=10, condition=None))

        assert keys(store.search(("a",), query="fox", limit=1)) == ["z"]
        assert vectors() == 3
        now += 3600
        assert keys(store.search(("a",), query="fox", limit=1)) == ["z"]
        assert vectors() == 1
