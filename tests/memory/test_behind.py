"""Writes behind: soon, in groups, in order, and no error is lost."""

from collections.abc import Iterable
from typing import Any

import pytest
from langgraph.store.base import BaseStore, Op, PutOp, Result
from langgraph.store.memory import InMemoryStore

from metasynth.errors import MetaSynthError
from metasynth.memory.store.behind import WriteBehind
from tests.raising import raises


class Counting(InMemoryStore):
    """Counts the batches that write."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        listed = list(ops)
        if any(isinstance(op, PutOp) for op in listed):
            self.batches.append(len(listed))
        return super().batch(listed)


def put(key: str, **value: Any) -> PutOp:
    return PutOp(("a",), key, value or None)


def test_a_store_is_opened_when_something_is_written_and_once() -> None:
    store, opened = Counting(), []

    def open_store() -> BaseStore:
        opened.append(1)
        return store

    behind = WriteBehind(open_store)
    behind.close()
    assert not opened
    for number in range(600):
        behind.put([put(f"k{number}", n=number)])
    behind.put([put("k0")])
    behind.flush()
    behind.put([put("last", n=0)])
    behind.close()
    assert len(opened) == 1
    assert {item.key for item in store.search(("a",), limit=1000)} == {
        *(f"k{number}" for number in range(1, 600)),
        "last",
    }
    assert len(store.batches) < 20  # of 602 operations


def test_what_is_wrong_with_the_store_is_mended_before_it_is_written() -> None:
    store = Counting()
    store.put(("a",), "stray", {"n": 1})
    store.batches.clear()
    behind = WriteBehind(lambda: store)
    behind.first(lambda opened: [put(item.key) for item in opened.search(("a",))], needed=False)
    behind.close()
    assert store.get(("a",), "stray") is not None  # nobody has written
    behind.put([put("own", n=2)])
    behind.flush()
    assert {item.key for item in store.search(("a",))} == {"own"}


@pytest.mark.parametrize("ends_with", ["put", "flush", "close"])
def test_an_error_is_raised_by_what_is_called_next(ends_with: str) -> None:
    def broken() -> BaseStore:
        raise MetaSynthError("no server", code="no_server")

    behind = WriteBehind(broken)
    behind.put([put("a", n=1)])
    thread = behind._thread
    assert thread is not None
    thread.join()
    with raises(MetaSynthError, "no_server"):
        behind.put([put("b", n=1)]) if ends_with == "put" else getattr(behind, ends_with)()
    behind.close()  # once is enough
