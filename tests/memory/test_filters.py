"""Filters, namespaces and batches against a plain model of what they mean."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from langgraph.store.base import IndexConfig, Op, PutOp

from metasynth.memory.store.chroma_store import ChromaStore
from tests.word_embeddings import WordEmbeddings

FIELDS = ["n", "color", "e.x", "", "$odd"]
SCALARS: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53,
    2**53 + 1,
    2**70,
    -(10**400),
    1.0,
    0.5,
    -0.0,
    1e308,
    math.inf,
    -math.inf,
    math.nan,
    "",
    "1",
    "true",
    "red",
    "Red",
    "é𝄞",
    "a" * 198,
    "a" * 199,
    "a" * 300,
    "\x00\ud800",
]
NESTED: list[Any] = [[], [1], [1, "red"], {}, {"a": 1}, {"a": {"b": "red"}}, [[1.0]]]
VALUES = [
    {FIELDS[index % 5]: value, FIELDS[(index * 3 + 1) % 5]: SCALARS[(index * 7) % len(SCALARS)]}
    for index, value in enumerate((SCALARS + NESTED) * 3)
]
operators = st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])
scalars = st.sampled_from(SCALARS)
conditions = st.one_of(
    scalars,
    st.sampled_from(NESTED),
    st.dictionaries(operators, scalars, min_size=1, max_size=2),
    st.fixed_dictionaries({"a": scalars}),
)
filters = st.dictionaries(st.sampled_from(FIELDS), conditions, min_size=1, max_size=2)
relaxed = settings(
    max_examples=160, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaStore]:
    index: IndexConfig = {"dims": 256, "embed": WordEmbeddings(), "fields": ["color"]}
    with ChromaStore.open(tmp_path_factory.mktemp("filled"), index=index) as store:
        store.batch([PutOp(("f", str(n % 3)), str(n), value) for n, value in enumerate(VALUES)])
        yield store


def kind(part: Any) -> str:
    if isinstance(part, bool) or part is None:
        return str(part)
    return "number" if isinstance(part, (int, float)) else type(part).__name__


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values."""
    if kind(left) != kind(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def compare(name: str, found: Any, operand: Any) -> bool:
    if name in ("$eq", "$ne"):
        return same(found, operand) is (name == "$eq")
    if kind(found) != kind(operand) or kind(found) not in ("number", "str"):
        return False
    if name.startswith("$g"):
        found, operand = operand, found
    return bool(found < operand) or (name.endswith("e") and found == operand)


def holds(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
        return all(compare(name, found, operand) for name, operand in wanted.items())
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(holds(found.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list) and len(found) == len(wanted) and all(map(holds, found, wanted))
        )
    return same(found, wanted)


@relaxed
@example(wanted={"n": {"$gt": 2**53}}, limit=1, offset=0)
@example(wanted={"n": {"$gte": 2.0**53 + 2}}, limit=1, offset=0)
@given(wanted=filters, limit=st.integers(1, 120), offset=st.integers(0, 20))
def test_a_listing_gives_what_the_filter_means(
    filled: ChromaStore, wanted: dict[str, Any], limit: int, offset: int
) -> None:
    expected = {
        str(number)
        for number, value in enumerate(VALUES)
        if all(holds(value.get(field), condition) for field, condition in wanted.items())
    }
    everything = [item.key for item in filled.search(("f",), filter=wanted, limit=1000)]
    assert sorted(everything) == sorted(expected)
    page = [item.key for item in filled.search(("f",), filter=wanted, limit=limit, offset=offset)]
    assert page == everything[offset : offset + limit]


@settings(parent=relaxed, max_examples=80)  # what the filters mean is known from listings
@given(wanted=filters, limit=st.integers(1, 20))
def test_a_ranking_gives_what_the_filter_means(
    filled: ChromaStore, wanted: dict[str, Any], limit: int
) -> None:
    listed = {item.key for item in filled.search(("f",), filter=wanted, limit=1000)}
    expected = {key for key in listed if VALUES[int(key)].get("color") is not None}
    ranked = filled.search(("f",), filter=wanted, limit=1000, query="red")
    assert {item.key for item in ranked} == expected and len(ranked) == len(expected)
    best = [item.score for item in filled.search(("f",), filter=wanted, limit=limit, query="red")]
    assert best == pytest.approx([item.score for item in ranked[:limit]], abs=1e-5)


labels = st.sampled_from(["a", "b", "*", "A", "%", '"', "ü", "a b"])
namespaces = st.lists(labels, min_size=1, max_size=4).map(tuple)


@pytest.fixture(scope="module")
def emptied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaStore]:
    """A store that each example leaves empty."""
    with ChromaStore.open(tmp_path_factory.mktemp("namespaces")) as store:
        yield store


@settings(parent=relaxed, max_examples=40)
@given(
    written=st.lists(st.tuples(namespaces, st.sampled_from("xyz"), st.booleans()), max_size=25),
    prefix=st.lists(labels, max_size=3).map(tuple),
    suffix=st.lists(labels, max_size=2).map(tuple),
    depth=st.none() | st.integers(1, 4),
    offset=st.integers(0, 3),
    limit=st.integers(1, 30),
)
def test_namespaces_against_a_dictionary(
    emptied: ChromaStore,
    written: list[tuple[tuple[str, ...], str, bool]],
    prefix: tuple[str, ...],
    suffix: tuple[str, ...],
    depth: int | None,
    offset: int,
    limit: int,
) -> None:
    model: dict[tuple[tuple[str, ...], str], dict[str, Any]] = {}
    ops: list[Op] = []
    for number, (namespace, key, kept) in enumerate(written):
        ops.append(PutOp(namespace, key, {"n": number} if kept else None))
        model.pop((namespace, key), None)
        if kept:
            model[namespace, key] = {"n": number}
    half = len(ops) // 2
    emptied.batch(ops[:half])
    emptied.batch(ops[half:])
    found = {(item.namespace, item.key): item.value for item in emptied.search((), limit=100)}
    below = {(item.namespace, item.key) for item in emptied.search(prefix, limit=100)}
    listed = emptied.list_namespaces(
        prefix=prefix, suffix=suffix, max_depth=depth, offset=offset, limit=limit
    )
    emptied.batch([PutOp(*place, None) for place in found])
    assert found == model
    assert below == {place for place in model if place[0][: len(prefix)] == prefix}
    expected = sorted(
        {namespace[:depth] for namespace, _ in model if fits(namespace, prefix, suffix)}
    )
    assert listed == expected[offset : offset + limit]


def fits(namespace: tuple[str, ...], prefix: tuple[str, ...], suffix: tuple[str, ...]) -> bool:
    def agree(part: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
        return len(part) == len(wanted) and all(
            pattern in ("*", label) for label, pattern in zip(part, wanted, strict=True)
        )

    end = namespace[len(namespace) - len(suffix) :] if len(suffix) <= len(namespace) else ()
    return agree(namespace[: len(prefix)], prefix) and agree(end, suffix)
