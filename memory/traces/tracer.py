"""The tracer: LangChain's callbacks tell it of nodes, the ledger's recorder of calls.

record ─► node (a conductor's turn, a consultation, gate, score, admit) ─► model call

A record's trace and the spans in it have ids that follow from the run, the record and the place, so
what a resumed run does again is not written again. A node that did not end, because the process was
killed or the budget ended, has no span: the next start carries it out and writes it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage
from typing_extensions import override

from metasynth.blocking import brief
from metasynth.memory.ledger import Call, CallTag

from .file import TraceFile
from .spans import CLIENT, Span, Value, span_id_of


class NodeFacts(NamedTuple):
    """What is to be said of a node that has ended.

    Attributes:
        record_id: The record that it worked for; "" for a stage of the run.
        name: Of the span; "" for the node's own.
        outcome: What became of the record, if this was its last node.
    """

    record_id: str = ""
    name: str = ""
    attributes: Mapping[str, Value] = {}
    outcome: str = ""


Tell = Callable[[str, Any, Any], NodeFacts]


class _Node(NamedTuple):
    name: str
    inputs: Any
    start: int
    step: int
    task: str
    in_thread: bool


class Tracer(AsyncCallbackHandler):
    """Writes the spans of one run.

    Args:
        file: Where they go.
        tell: What is to be said of a node, from its name, its input and its output.
        graph: The run's graph, for the name of its records' spans.
        clock: Nanoseconds since 1970.
    """

    raise_error = True
    run_inline = True

    def __init__(
        self,
        file: TraceFile,
        tell: Tell,
        *,
        graph: str,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._file = file
        self._tell = tell
        self._graph = graph
        self._clock = clock
        self._began = clock()
        self._running: dict[UUID, _Node] = {}
        self._first_step: dict[str, int] = {}

    @override
    async def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note a node that begins; what runs inside of nodes is left out."""
        told = metadata or {}
        if any(tag.startswith("graph:step:") for tag in tags or ()) and "langgraph_node" in told:
            path = told.get("langgraph_path", ())
            self._running[run_id] = _Node(
                name=told["langgraph_node"],
                inputs=inputs,
                start=self._clock(),
                step=int(told.get("langgraph_step", 0)),
                task="/".join(map(str, path[1:])),
                in_thread="thread_id" in told,
            )

    @override
    async def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Write the node's span, and the record's where it was its last."""
        node = self._running.pop(run_id, None)
        if node is None:
            return
        facts = self._tell(node.name, node.inputs, outputs)
        if facts.record_id and not node.in_thread:
            self._first_step.setdefault(facts.record_id, node.step)
        trace = self._file.trace_of(facts.record_id)
        attributes = {"metasynth.node": node.name, **facts.attributes}
        await self._add(
            facts.record_id,
            Span(
                trace_id=trace,
                span_id=self._id_of(node, facts.record_id),
                parent_id=self._root(facts.record_id),
                name=facts.name or node.name,
                start=node.start,
                end=self._clock(),
                attributes=attributes,
            ),
        )
        if facts.outcome:
            await self.end_record(facts.record_id, facts.outcome, attributes)
            self._first_step.pop(facts.record_id, None)

    @override
    async def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a node that did not end: the next start carries it out."""
        self._running.pop(run_id, None)

    def unended(self) -> dict[str, int]:
        """The records that have spans and no end, with the time at which the last span ended."""
        return self._file.unended()

    async def end_record(
        self,
        record_id: str,
        outcome: str,
        attributes: Mapping[str, Value] | None = None,
        *,
        end: int | None = None,
    ) -> None:
        """Write the span of a whole record.

        Args:
            end: When it ended; by default now.
        """
        trace, now = self._file.trace_of(record_id), end or self._clock()
        reason = (attributes or {}).get("metasynth.reason", "")
        told: dict[str, Value] = {"metasynth.outcome": outcome}
        if reason and outcome == "rejected":
            told["metasynth.reason"] = reason
        began = self._file.began(trace)
        root = Span(
            trace_id=trace,
            span_id=span_id_of(trace, ""),
            parent_id="",
            name=f"{self._graph} record",
            start=now if began is None else began,
            end=now,
            attributes=told,
        )
        await self._add(record_id, root)

    async def call_ended(
        self,
        call: Call,
        *,
        parent: UUID | None,
        replayed: bool = False,
    ) -> None:
        """Write the span of a model call.

        Args:
            call: As the ledger has it.
            parent: The LangChain run that made it.
            replayed: It was answered from the ledger and has cost nothing.
        """
        now = self._clock()
        usage = _used(call)
        if replayed:
            usage = {"metasynth.replayed": True}
        tag = CallTag(call.key, agent=call.agent, record_id=call.record_id, model=call.model)
        length = 0 if replayed else int(call.seconds * 1e9)
        await self._add_call(tag, parent, now - length, now, {**usage, **_said(call.response)})

    async def call_failed(
        self, tag: CallTag, error: BaseException, *, parent: UUID | None, seconds: float
    ) -> None:
        """Write the span of a call that gave no answer; each such try has a span of its own."""
        if isinstance(error, asyncio.CancelledError):
            return
        now = self._clock()
        told = {"error.type": type(error).__name__}
        text = str(error) or type(error).__name__
        await self._add_call(tag, parent, now - int(seconds * 1e9), now, told, error=text)

    async def close(self) -> None:
        """Write the span of this start of the run."""
        root = Span(
            trace_id=self._file.trace_of(""),
            span_id=self._root(""),
            parent_id="",
            name=f"{self._graph} run",
            start=self._began,
            end=self._clock(),
        )
        await brief(self._file.add, root)

    async def _add_call(
        self,
        tag: CallTag,
        parent: UUID | None,
        start: int,
        end: int,
        told: Mapping[str, Value],
        *,
        error: str = "",
    ) -> None:
        trace = self._file.trace_of(tag.record_id)
        node = self._running.get(parent) if parent is not None else None
        place = f"call/{tag.key.place}" + (f"/{start}" if error else "")
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": tag.model.partition(":")[0] or "unknown",
            "gen_ai.request.model": tag.model.partition(":")[2] or tag.model,
            "gen_ai.agent.name": tag.agent,
            "metasynth.ledger.chain": tag.key.chain,
            "metasynth.ledger.step": tag.key.step,
            **({"metasynth.ledger.attempt": tag.key.attempt} if tag.key.attempt else {}),
            **told,
        }
        span = Span(
            trace_id=trace,
            span_id=span_id_of(trace, place),
            parent_id=self._id_of(node, tag.record_id) if node else self._root(tag.record_id),
            name=f"chat {attributes['gen_ai.request.model']}",
            start=start,
            end=end,
            attributes=attributes,
            kind=CLIENT,
            error=error,
        )
        await self._add(tag.record_id, span)

    async def _add(self, record_id: str, span: Span) -> None:
        if record_id:
            told = {"metasynth.record.id": record_id, **span.attributes}
            span = replace(span, attributes=told)
        await brief(self._file.add, span)  # a line for the operating system: no work for a thread

    def _root(self, record_id: str) -> str:
        """A record's root; of the run there is one for each start."""
        trace = self._file.trace_of(record_id)
        return span_id_of(trace, "" if record_id else f"run/{self._began}")

    def _id_of(self, node: _Node, record_id: str) -> str:
        """The node's span: steps count on in a record's thread, or else from its first node."""
        trace = self._file.trace_of(record_id)
        if not record_id:
            return span_id_of(trace, f"{node.name}/{node.start}/{node.task}")
        first = 0 if node.in_thread else self._first_step.get(record_id, node.step)
        return span_id_of(trace, f"{node.step - first}/{node.name}/{node.task}")


def _used(call: Call) -> dict[str, Value]:
    used: dict[str, Value] = {
        "gen_ai.usage.input_tokens": call.tokens_in,
        "gen_ai.usage.output_tokens": call.tokens_out,
        "metasynth.seconds": round(call.seconds, 6),
    }
    if call.usd is not None:
        used["metasynth.usd"] = call.usd
    return used


def _said(response: AIMessage) -> dict[str, Value]:
    told: dict[str, Value] = {}
    if name := response.response_metadata.get("model_name"):
        told["gen_ai.response.model"] = str(name)
    if reason := response.response_metadata.get("finish_reason"):
        told["gen_ai.response.finish_reasons"] = [str(reason)]
    return told
