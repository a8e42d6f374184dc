"""The ledger's ear: LangChain's callbacks tell it of every chat-model call."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from typing_extensions import override

from metasynth.memory.traces.tracer import Tracer
from metasynth.usage import estimate_tokens, settle_usage

from .ledger import Call, CallKey, CallTag, Ledger, Price


class _Running(NamedTuple):
    tag: CallTag
    since: float
    task: "asyncio.Task[Any] | None"
    parent: UUID | None
    asked: Any


class CallRecorder(AsyncCallbackHandler):
    """Writes each finished call to the ledger before whoever made it sees the response.

    It runs inline and its errors are raised: a call that could not be written down must not be
    used. One recorder serves any number of calls at once. A call without a tag is recorded too,
    under its own run id: it was paid for.
    """

    raise_error = True
    run_inline = True

    def __init__(
        self,
        ledger: Ledger,
        *,
        prices: Mapping[str, Price] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        tracer: Tracer | None = None,
    ) -> None:
        self._ledger = ledger
        self._prices = prices or {}
        self._clock = clock
        self._tracer = tracer
        self._running: dict[UUID, _Running] = {}

    @property
    def in_flight(self) -> int:
        """How many calls have begun and not ended.

        LangChain says nothing of a call whose task was cancelled, so the tasks are asked.
        """
        tasks = (running.task for running in self._running.values())
        return sum(task is not None and not task.done() for task in tasks)

    @override
    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note who calls, and when."""
        tag = _tag(metadata or {}, run_id)
        task = asyncio.current_task()
        asked = [messages, (kwargs.get("invocation_params") or {}).get("tools")]
        self._running[run_id] = _Running(tag, self._clock(), task, parent_run_id, asked)

    @override
    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Write the call down."""
        running = self._running.pop(run_id, None)
        if running is None:
            return
        seconds = self._clock() - running.since
        for number, generations in enumerate(response.generations):
            generation = generations[0]
            if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
                settle_usage(generation.message, prompt=_prompt_tokens(running.asked))
                tag = running.tag if number == 0 else _untagged(f"{run_id}/{number}")
                call = await self._ledger.arecord(
                    tag, generation.message, seconds=seconds, prices=self._prices
                )
                if call is not None and self._tracer is not None:
                    await self._tracer.call_ended(call, parent=running.parent)

    @override
    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a call that gave nothing; the traces keep why."""
        running = self._running.pop(run_id, None)
        if running is not None and self._tracer is not None:
            seconds = self._clock() - running.since
            await self._tracer.call_failed(
                running.tag, error, parent=running.parent, seconds=seconds
            )

    async def replayed(self, tag: CallTag, response: AIMessage, *, parent: UUID | None) -> None:
        """Tell the traces of a call that the ledger has answered."""
        if self._tracer is not None:
            call = Call(tag.key, tag.record_id, tag.agent, tag.model, response, 0, 0, 0.0, None, "")
            await self._tracer.call_ended(call, parent=parent, replayed=True)


def _prompt_tokens(asked: Any) -> int:
    """About how many tokens the messages and the tools of a call are."""
    messages, tools = asked
    contents = [[message.content for message in batch] for batch in messages]
    return estimate_tokens([contents, tools])


def _tag(metadata: dict[str, Any], run_id: UUID) -> CallTag:
    given = metadata.get("metasynth_call")
    if given is None:
        return _untagged(str(run_id))
    return CallTag(
        key=CallKey(*given["key"]),
        agent=given["agent"],
        record_id=given["record_id"],
        model=given["model"],
        seed=given["seed"],
    )


def _untagged(run_id: str) -> CallTag:
    return CallTag(CallKey("", run_id, ""))
