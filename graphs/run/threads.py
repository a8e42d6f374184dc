"""The threads of records: where LangGraph keeps what a record went through, step by step."""

from collections import deque
from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

_RECURSION_LIMIT = 10_000


def thread_of(record_id: str) -> str:
    """The id of a record's thread: a UUID, for servers of LangGraph's API take nothing else."""
    return str(uuid5(NAMESPACE_OID, f"metasynth/{record_id}"))


def thread_config(record_id: str) -> RunnableConfig:
    """What a record's graph is called with; its own bounds (turns, tries) end it long before."""
    return RunnableConfig(
        configurable={"thread_id": thread_of(record_id)},
        metadata={"record_id": record_id},  # kept with every checkpoint
        recursion_limit=_RECURSION_LIMIT,
    )


class NoThreads:
    """The threads of ended records are left as they are, or there are none."""

    async def add(self, record_id: str) -> None:
        """A record has ended."""


class EndedThreads(NoThreads):
    """The threads of records that have ended: the newest are kept, to be looked at.

    Args:
        saver: Where threads are kept.
        keep: How many; the oldest goes when another record ends.
        ended: Ids of records that ended before, the oldest first.
    """

    def __init__(self, saver: BaseCheckpointSaver[Any], keep: int, ended: Iterable[str]) -> None:
        self._saver = saver
        self._keep = keep
        self._ended = deque(ended)

    async def add(self, record_id: str) -> None:
        """A record has ended."""
        self._ended.append(record_id)
        while len(self._ended) > self._keep:
            await self._saver.adelete_thread(thread_of(self._ended.popleft()))


def record_id(identity: str, chain: str, number: int) -> str:
    """The id of a chain's n-th record in the run with this identity."""
    return f"{identity[:6]}-{chain}-{number:05d}"
