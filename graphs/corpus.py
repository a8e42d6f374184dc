"""The corpus graph: many chains over one memory until the budget ends.

open ─► chain, chain, … (each runs the record graph again and again) ─► close
"""

import asyncio
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphInterrupt
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command as Resume
from langgraph.types import Durability, Send

from metasynth.errors import BudgetEndedError
from metasynth.graphs.baselines.instruct import baseline_graph
from metasynth.graphs.baselines.instruct_prompts import BASELINES
from metasynth.graphs.baselines.template import template_graph
from metasynth.graphs.document.graph import document_graph
from metasynth.graphs.instruct.graph import instruct_graph
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.run.state import ChainTask, CorpusInput, CorpusState
from metasynth.graphs.run.threads import thread_config
from metasynth.graphs.tail.best_of_batch import begin_quota, settle

from .workspace import RunContext, Source, Workspace, constant

RECORD_GRAPHS = {
    "document": document_graph,
    "instruct": instruct_graph,
    "template": template_graph,
    **{way: baseline_graph(way) for way in BASELINES},
}
RecordGraph = CompiledStateGraph[Any, Any, Any, Any]
WITHOUT_THREADS = ("template", *BASELINES)
"""Graphs whose records begin with what the ledger keeps of them (`Workspace.begin`)."""


def corpus_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """The graph, not yet compiled; `source` gives the workspace that its nodes work in."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        CorpusState, context_schema=RunContext, input_schema=CorpusInput
    )
    add_node(graph, "open", nodes.open, input_schema=CorpusInput)
    add_node(graph, "chain", nodes.chain, input_schema=ChainTask)
    add_node(graph, "close", nodes.close, defer=True)
    graph.add_edge(START, "open")
    graph.add_edge("close", END)
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._graphs: dict[Workspace, RecordGraph] = {}  # compiled once, for all chains

    async def open(
        self, state: CorpusInput, runtime: Runtime[RunContext]
    ) -> Command[Literal["chain"]]:
        """Count what is there and start the chains."""
        workspace = await self._source(runtime.context)
        await begin_quota(workspace)
        await settle(workspace)
        if workspace.quota.left > 0:
            try:
                await _prepare(workspace)
            except BudgetEndedError as ended:
                workspace.quota.stopped_because = ended.message
        # Where fewer records are left than there are chains, those begun before are not left lying.
        begun = [await _has_begun(workspace, number) for number in range(state.chains)]
        order = sorted(range(state.chains), key=lambda number: not begun[number])
        sends = [Send("chain", ChainTask(chain=number)) for number in order]
        return Command(update={"chains": state.chains}, goto=sends)

    async def chain(
        self, state: ChainTask, runtime: Runtime[RunContext]
    ) -> Command[Literal["chain", "close"]]:
        """Write record after record while the quota gives any out."""
        workspace = await self._source(runtime.context)
        chain = _name(state["chain"])
        quota = workspace.quota
        if workspace not in self._graphs:
            self._graphs[workspace] = record_graph(workspace)
        writer = RecordWriter(workspace, chain, self._graphs[workspace])
        while await quota.take_up(chain) or await quota.take():
            try:
                outcome = await writer.write_next()
            except BudgetEndedError as ended:
                await quota.stop(ended.message)
                break
            except GraphInterrupt:
                await quota.put_aside(chain)  # while a person thinks, another may have its place
                raise
            if outcome != "held":  # what waits for a choice has told the quota itself
                await quota.finish(accepted=outcome == "accepted")
            if workspace.config.review.ask and not workspace.is_reviewed_here:
                # an answer is found by its place in the step, so a step asks once
                return Command(goto=[Send("chain", state)])
        workspace.memory.release(chain)
        return Command(update=CorpusState(finished=[chain]), goto="close")

    async def close(
        self,
        state: CorpusState,  # noqa: ARG002 - every node has one
        runtime: Runtime[RunContext],
    ) -> CorpusState:
        """Decide what still waits for a choice, and say what came of it."""
        workspace = await self._source(runtime.context)
        await settle(workspace, final=True)
        stopped = workspace.quota.stopped_because
        return CorpusState(
            accepted=workspace.corpus.accepted,
            rejected=workspace.corpus.rejected,
            stopped_because=stopped or "budget.records: all records are written",
        )


class RecordWriter:
    """One chain's records, each in a thread of its own that survives a kill."""

    def __init__(self, workspace: Workspace, chain: str, graph: RecordGraph | None = None) -> None:
        self._workspace = workspace
        self._chain = chain
        self._graph = graph or record_graph(workspace)
        self._has_thread = writes_threads(workspace)
        self._unsaved = self._graph.copy({"checkpointer": False})
        self._number = workspace.next_number(chain)

    async def write_next(self) -> str:
        """Write the next record, or finish the one that an earlier start began.

        Returns:
            "accepted", "rejected", or "held" where it waits for the student's choice.

        Raises:
            BudgetEndedError: The budget ended; the record stays where it is.
        """
        workspace = self._workspace
        record_id = workspace.record_id(self._chain, self._number)
        if not self._has_thread:
            return await self._write_at_once(record_id)
        config = thread_config(record_id)
        begun = await self._begun(config)
        if "seed" in begun:
            workspace.seeds.remember(self._chain, begun["seed"]["id"])
        given = {"record_id": record_id, "chain": self._chain, "number": self._number}
        result = await self._invoke(None if begun else given, config)
        while asked := result.get("__interrupt__"):
            result = await self._invoke(Resume(resume=await self._answer(asked[0].value)), config)
        self._number += 1
        await workspace.threads.add(record_id)
        await asyncio.sleep(0)  # let the other chains see the memory
        return str(result["outcome"])

    async def _begun(self, config: RunnableConfig) -> dict[str, Any]:
        """What an earlier start left of the record.

        A thread that came to its end, while the files know nothing of its record, is forgotten: the
        line was taken out of the corpus, and the corpus is what counts.
        """
        saver = self._workspace.checkpointer
        if saver is None:
            return {}
        state = await self._graph.aget_state(config)
        if state.values and not state.next and not state.interrupts:
            await saver.adelete_thread(str(config["configurable"]["thread_id"]))
            return {}
        return dict(state.values)

    async def _write_at_once(self, record_id: str) -> str:
        """Write a record that has no thread on its way: the ledger answers what was asked before.

        What it went through becomes its thread when it has ended.
        """
        workspace = self._workspace
        given = {"record_id": record_id, "chain": self._chain, "number": self._number}
        steps: list[tuple[str, dict[str, Any]]] = [(START, given)]
        config = thread_config(record_id)
        async for update in self._unsaved.astream(given, config, stream_mode="updates"):
            steps += update.items()
        self._number += 1
        if workspace.checkpointer is not None:
            await workspace.threads.add_steps(record_id, self._graph, steps)
        workspace.ledger.end(record_id)
        await asyncio.sleep(0)  # let the other chains see the memory
        return str(steps[-1][1]["outcome"])

    async def _invoke(self, given: Any, config: RunnableConfig) -> dict[str, Any]:
        # a call is made of the steps before it: were they lost in a kill, other steps would take
        # their place, and other calls would be paid for
        durability: Durability | None = "sync" if self._workspace.checkpointer is not None else None
        result: dict[str, Any] = await self._graph.ainvoke(given, config, durability=durability)
        return result

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What a person says: asked in this process, or through the interrupts of the whole run."""
        decision = await self._workspace.reviewer(question)
        return ReviewDecision.model_validate(decision).model_dump(mode="json")


async def _prepare(workspace: Workspace) -> None:
    """Have what is trained or loaded ready before the first call is paid for."""
    await workspace.screen.prepare()
    await workspace.sampler.prepare(workspace.budget.check)


def _name(chain: int) -> str:
    return f"{chain:02d}"


async def _has_begun(workspace: Workspace, chain: int) -> bool:
    """Whether an earlier start left the chain's next record unfinished."""
    if workspace.checkpointer is None:
        return False
    name = _name(chain)
    record_id = workspace.record_id(name, workspace.next_number(name))
    if not writes_threads(workspace):
        return workspace.ledger.beginning(record_id) is not None
    return await workspace.checkpointer.aget_tuple(thread_config(record_id)) is not None


def writes_threads(workspace: Workspace) -> bool:
    """Whether a record's thread is written step by step.

    A record of few calls needs none: made anew from what it started with, it comes to the same
    calls. A person is asked through a thread.
    """
    return workspace.config.graph not in WITHOUT_THREADS or workspace.config.review.ask


def record_graph(workspace: Workspace) -> RecordGraph:
    """The compiled graph that writes one record of this run."""
    # in other graphs it is a conductor that writes whole records
    name = workspace.config.graph if workspace.config.graph in RECORD_GRAPHS else "document"
    saver: BaseCheckpointSaver[Any] | None = workspace.checkpointer
    return RECORD_GRAPHS[name](constant(workspace)).compile(checkpointer=saver, name=name)
