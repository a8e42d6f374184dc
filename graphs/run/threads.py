"""The threads of records: where LangGraph keeps what a record went through, step by step."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateUpdate

_WRITE_EVERY_S = 30.0
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

    async def add_steps(
        self, record_id: str, graph: CompiledStateGraph[Any, Any, Any, Any], steps: "Steps"
    ) -> None:
        """A record has ended that wrote no thread on its way."""

    async def close(self) -> None:
        """Write what is only held."""


Steps = Sequence[tuple[str, dict[str, Any]]]
"""What a record went through: the name of a node and its update, in their order."""


class EndedThreads(NoThreads):
    """The threads of records that have ended: the newest are kept, to be looked at.

    Args:
        saver: Where threads are kept.
        keep: How many; the oldest goes when another record ends.
        ended: Ids of records that ended before, the oldest first.
        clock: Seconds.
    """

    def __init__(
        self,
        saver: BaseCheckpointSaver[Any],
        keep: int,
        ended: Iterable[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._saver = saver
        self._keep = keep
        self._ended = deque(ended)
        self._clock = clock
        self._written_at = clock()
        self._held: dict[str, tuple[CompiledStateGraph[Any, Any, Any, Any], Steps]] = {}

    async def add(self, record_id: str) -> None:
        """A record has ended."""
        self._ended.append(record_id)
        while len(self._ended) > self._keep:
            oldest = self._ended.popleft()
            if self._held.pop(oldest, None) is None:
                await self._saver.adelete_thread(thread_of(oldest))

    async def add_steps(
        self, record_id: str, graph: CompiledStateGraph[Any, Any, Any, Any], steps: Steps
    ) -> None:
        """A record has ended; its thread is written at the end, or with others after a while."""
        self._held[record_id] = graph, steps
        await self.add(record_id)
        if self._clock() - self._written_at > _WRITE_EVERY_S:
            await self.close()

    async def close(self) -> None:
        """Write the threads that are only held."""
        self._written_at = self._clock()
        held, self._held = self._held, {}
        for record_id, (graph, steps) in held.items():
            if await self._saver.aget_tuple(thread_config(record_id)) is not None:
                # its line was taken out of the corpus, and the record was written anew
                await self._saver.adelete_thread(thread_of(record_id))
            supersteps = [[StateUpdate(values, as_node=node)] for node, values in steps]
            await graph.abulk_update_state(thread_config(record_id), supersteps)


def record_id(identity: str, chain: str, number: int) -> str:
    """The id of a chain's n-th record in the run with this identity."""
    return f"{identity[:6]}-{chain}-{number:05d}"
