"""The graph softsrv: questions from a soft prompt or a baseline, answered, judged and admitted.

contexts ─► sample ─► postprocess ─► candidate, candidate, … ─► close

Stages that take long keep what they have made in the run directory (`manifest.json` has the counts
of those that have ended) and go on from there; each candidate (see `questions.candidates`) is a
worker that takes questions until the quota or they have ended.
"""

import asyncio
import operator
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from metasynth.blocking import Check
from metasynth.errors import BudgetEndedError
from metasynth.graphs.questions.candidates import CandidateInput, candidate_graph
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.tail.best_of_batch import begin_quota, settle
from metasynth.graphs.workspace import RunContext, Source

from .contexts import prepare_contexts
from .postprocessing import make_batch
from .sampling import make_samples
from .workspace import SoftSRVWorkspace

_NO_LIMIT = 1_000_000_000  # a worker's steps are bounded by the candidates
Goto = TypeVar("Goto", bound=str)


class SoftSRVInput(BaseModel):
    """What starts the graph."""

    chains: int = Field(
        default=4, ge=1, le=512, description="how many questions are in work at once"
    )


class SoftSRVState(TypedDict, total=False):
    """A whole run: counts only, samples and records lie in the run directory."""

    chains: int
    contexts: int
    samples: int
    candidates: int
    finished: Annotated[list[str], operator.add]
    accepted: int
    rejected: int
    stopped_because: str


def softsrv_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """The graph, not yet compiled; `source` gives a `SoftSRVWorkspace`."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        SoftSRVState, context_schema=RunContext, input_schema=SoftSRVInput
    )
    worker = candidate_graph(source).compile(name="candidate")
    add_node(graph, "contexts", nodes.contexts, input_schema=SoftSRVInput)
    add_node(graph, "sample", nodes.sample)
    add_node(graph, "postprocess", nodes.postprocess)
    graph.add_node("candidate", worker.with_config(recursion_limit=_NO_LIMIT))
    add_node(graph, "close", nodes.close, defer=True)
    graph.add_edge(START, "contexts")
    graph.add_edge("candidate", "close")
    graph.add_edge("close", END)
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def contexts(
        self, state: SoftSRVInput, runtime: Runtime[RunContext]
    ) -> Command[Literal["sample", "close"]]:
        """Make ready what questions come from: train or load a soft prompt, read exemplars."""
        workspace = await self._workspace(runtime)
        await begin_quota(workspace)
        await settle(workspace)
        update = SoftSRVState(chains=state.chains)
        return await _stage(workspace, prepare_contexts, "contexts", "sample", update)

    async def sample(
        self,
        state: SoftSRVState,  # noqa: ARG002 - every node has one
        runtime: Runtime[RunContext],
    ) -> Command[Literal["postprocess", "close"]]:
        """Make the samples that are not there yet."""
        workspace = await self._workspace(runtime)
        return await _stage(workspace, make_samples, "samples", "postprocess")

    async def postprocess(
        self, state: SoftSRVState, runtime: Runtime[RunContext]
    ) -> Command[Literal["candidate", "close"]]:
        """Keep what is clean, new and spread, and hand it to the workers."""

        async def fill_queue(workspace: SoftSRVWorkspace, check: Check) -> int:
            await workspace.screen.prepare()
            batch = await make_batch(workspace, check)
            workspace.queue.fill(
                batch,
                ended=lambda place: workspace.has_ended(workspace.record_id(batch.chain, place)),
            )
            return len(batch)

        workspace = await self._workspace(runtime)
        workers = [
            Send("candidate", CandidateInput(worker=number)) for number in range(state["chains"])
        ]
        return await _stage(workspace, fill_queue, "candidates", workers)

    async def close(self, state: SoftSRVState, runtime: Runtime[RunContext]) -> SoftSRVState:
        """Decide what waits for a choice, say what came of it, and write all counts down."""
        workspace = await self._workspace(runtime)
        await settle(workspace, final=True)
        accepted, rejected = workspace.corpus.accepted, workspace.corpus.rejected
        stopped = state.get("stopped_because") or (
            workspace.quota.stopped_because or "budget.records: all records are written"
        )
        counts = {
            "judged": accepted + rejected,
            "accepted": accepted,
            "rejected": rejected,
            "reasons": workspace.corpus.reasons(),
            "stopped_because": stopped,
        }
        await asyncio.to_thread(workspace.manifest.finish, "records", counts)
        return SoftSRVState(accepted=accepted, rejected=rejected, stopped_because=stopped)

    async def _workspace(self, runtime: Runtime[RunContext]) -> SoftSRVWorkspace:
        workspace = await self._source(runtime.context)
        assert isinstance(workspace, SoftSRVWorkspace), "compose opens one for this graph"
        return workspace


async def _stage(
    workspace: SoftSRVWorkspace,
    work: Callable[[SoftSRVWorkspace, Check], Awaitable[int]],
    key: str,
    goto: Goto | list[Send],
    update: SoftSRVState | None = None,
) -> Command[Goto | Literal["close"]]:
    """Where the graph goes from a stage: on, or to its end where the budget has ended."""
    known: dict[str, Any] = {**(update or {})}
    if workspace.corpus.accepted >= workspace.config.budget.records:
        return Command(update=known, goto="close")  # an earlier start has written them all
    try:
        count = await work(workspace, workspace.budget.check)
    except BudgetEndedError as ended:
        return Command(update={**known, "stopped_because": ended.message}, goto="close")
    return Command(update={**known, key: count}, goto=goto)
