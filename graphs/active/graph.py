"""The graph active: rounds in which the student steers what is generated, and learns from it.

open ─► score_seeds ─► select ─► generate ─► candidate … | document … ─► score_children
             ▲                                                                 │
             └──────── (next round) ◄── evaluate ◄── fine_tune ◄───────────────┘   ─► close

Nothing is asked of a teacher before seeds are selected, and a round asks for as many rows as the
run file says, whatever becomes of them: a budget is spent alike in every arm. Each stage keeps its
result in the run directory and goes on from there.
"""

import operator
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, TypedDict, TypeVar

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send
from pydantic import BaseModel, Field

from metasynth.errors import BudgetEndedError
from metasynth.graphs.best_of_batch import new_quota, settle
from metasynth.graphs.corpus import RecordWriter
from metasynth.graphs.questions.candidates import CandidateInput, candidate_graph
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.run.questions import CandidateQueue, Check
from metasynth.graphs.run.rounds import Rounds
from metasynth.graphs.workspace import RunContext, Source, Workspace

Goto = TypeVar("Goto", bound=str)
_NO_LIMIT = 1_000_000_000  # steps are bounded by the rounds and their rows
_DONE = "candidates:"  # how a queue that is empty says so: the round has all its rows


class ActiveInput(BaseModel):
    """What starts the graph."""

    chains: int = Field(default=4, ge=1, le=512, description="how many rows are in work at once")


class ActiveState(TypedDict, total=False):
    """A whole run: counts only; scores, rows and students lie in the run directory."""

    chains: int
    round: int
    scored: int
    selected: int
    asked: int
    children: int
    trained: int
    tested: int
    finished: Annotated[list[str], operator.add]
    accepted: int
    rejected: int
    stopped_because: str


class DocumentTask(TypedDict):
    """Which worker writes documents."""

    worker: int


def active_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """The graph, not yet compiled; `source` gives the workspace that its nodes work in."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        ActiveState, context_schema=RunContext, input_schema=ActiveInput
    )
    worker = candidate_graph(source).compile(name="candidate")
    add_node(graph, "open", nodes.open, input_schema=ActiveInput)
    add_node(graph, "score_seeds", nodes.score_seeds)
    add_node(graph, "select", nodes.select)
    add_node(graph, "generate", nodes.generate)
    graph.add_node("candidate", worker.with_config(recursion_limit=_NO_LIMIT))
    add_node(graph, "document", nodes.document, input_schema=DocumentTask)
    add_node(graph, "score_children", nodes.score_children)
    add_node(graph, "fine_tune", nodes.fine_tune)
    add_node(graph, "evaluate", nodes.evaluate)
    add_node(graph, "close", nodes.close)
    graph.add_edge(START, "open")
    graph.add_edge("candidate", "score_children")
    graph.add_edge("document", "score_children")
    graph.add_edge("close", END)
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def open(
        self, state: ActiveInput, runtime: Runtime[RunContext]
    ) -> Command[Literal["score_seeds", "close"]]:
        """Turn to the first round that is not done."""
        workspace = await self._source(runtime.context)
        update = ActiveState(chains=state.chains)
        if not await _rounds(workspace).open():
            return Command(update=update, goto="close")
        if ended := _ended(workspace):
            return Command(update={**update, "stopped_because": ended}, goto="close")
        update["round"] = _rounds(workspace).number
        return Command(update=update, goto="score_seeds")

    async def score_seeds(
        self,
        state: ActiveState,  # noqa: ARG002 - every node has one
        runtime: Runtime[RunContext],
    ) -> Command[Literal["select", "close"]]:
        """Have the student score the pool."""
        workspace = await self._source(runtime.context)
        return await _stage(workspace, _rounds(workspace).score_seeds, "scored", "select")

    async def select(
        self,
        state: ActiveState,  # noqa: ARG002
        runtime: Runtime[RunContext],
    ) -> Command[Literal["generate", "close"]]:
        """Choose the seeds, or the contexts, of this round."""
        workspace = await self._source(runtime.context)
        return await _stage(workspace, _rounds(workspace).select, "selected", "generate")

    async def generate(
        self, state: ActiveState, runtime: Runtime[RunContext]
    ) -> Command[Literal["candidate", "document", "close"]]:
        """Hand the rows that are asked for to the workers."""
        workspace = await self._source(runtime.context)
        rounds = _rounds(workspace)

        async def queue(check: Check) -> int:
            questions = await rounds.generate(check)
            workspace.queue = CandidateQueue(
                questions,
                ended=lambda place: workspace.has_ended(_record_id(workspace, place)),
            )
            await settle(workspace)
            return len(questions)

        workspace.quota = new_quota(workspace)
        if rounds.conducts:
            workers = [Send("document", DocumentTask(worker=n)) for n in range(state["chains"])]
        else:
            workers = [Send("candidate", CandidateInput(worker=n)) for n in range(state["chains"])]
        return await _stage(workspace, queue, "asked", workers)

    async def document(self, state: DocumentTask, runtime: Runtime[RunContext]) -> ActiveState:
        """Have a conductor write from one selected seed after the other."""
        workspace = await self._source(runtime.context)
        quota, queue = workspace.quota, workspace.queue
        assert quota is not None and queue is not None
        while await quota.take():
            taken = queue.next()
            if taken is None:
                await quota.stop(f"{_DONE} all {queue.count} are judged")
                break
            chain = _rounds(workspace).chain_of(taken.place)
            try:
                outcome = await RecordWriter(workspace, chain).write_next()
            except BudgetEndedError as ended:
                await quota.stop(ended.message)
                break
            workspace.memory.release(chain)
            if outcome != "held":  # what waits for a choice has told the quota itself
                await quota.finish(accepted=outcome == "accepted")
        return ActiveState(finished=[f"{state['worker']:02d}"])

    async def score_children(
        self,
        state: ActiveState,  # noqa: ARG002
        runtime: Runtime[RunContext],
    ) -> Command[Literal["fine_tune", "close"]]:
        """Score what was admitted as its seeds were, by the student that chose them."""
        workspace = await self._source(runtime.context)
        cut_short = _cut_short(workspace)
        if not cut_short:  # else the next start may still add to the batch
            await settle(workspace, final=True)
        update = ActiveState(stopped_because=cut_short)
        if cut_short.startswith("budget.minutes"):
            return Command(update=update, goto="close")
        try:
            update["children"] = await _rounds(workspace).score_children(_minutes(workspace))
        except BudgetEndedError as ended:  # a judge may not be asked any more
            update["stopped_because"] = cut_short or ended.message
        return Command(update=update, goto="fine_tune")

    async def fine_tune(
        self,
        state: ActiveState,  # noqa: ARG002
        runtime: Runtime[RunContext],
    ) -> Command[Literal["evaluate", "close"]]:
        """Train the student on what was admitted."""
        workspace = await self._source(runtime.context)
        return await _stage(
            workspace, _rounds(workspace).fine_tune, "trained", "evaluate", local=True
        )

    async def evaluate(
        self, state: ActiveState, runtime: Runtime[RunContext]
    ) -> Command[Literal["score_seeds", "close"]]:
        """Measure the student, write the round down, and go on with the next."""
        workspace = await self._source(runtime.context)
        rounds = _rounds(workspace)
        command: Command[Literal["score_seeds", "close"]] = await _stage(
            workspace, rounds.evaluate, "tested", "score_seeds", local=True
        )
        if command.goto == "close":
            return command
        stopped = state.get("stopped_because", "")
        await rounds.finish(stopped)
        if stopped or not await rounds.open():
            return Command(update=command.update, goto="close")
        if ended := _ended(workspace):
            return Command(update={**command.update, "stopped_because": ended}, goto="close")
        return Command(update={**command.update, "round": rounds.number}, goto="score_seeds")

    async def close(self, state: ActiveState, runtime: Runtime[RunContext]) -> ActiveState:
        """Say what came of it."""
        workspace = await self._source(runtime.context)
        return ActiveState(
            accepted=workspace.corpus.accepted,
            rejected=workspace.corpus.rejected,
            stopped_because=state.get("stopped_because") or "rounds: all are done",
        )


def _rounds(workspace: Workspace) -> Rounds:
    assert workspace.rounds is not None, "compose makes them for this graph"
    return workspace.rounds


def _record_id(workspace: Workspace, place: int) -> str:
    rounds = _rounds(workspace)
    if rounds.conducts:
        return workspace.record_id(rounds.chain_of(place), 1)
    return workspace.record_id(rounds.chain, place)


def _ended(workspace: Workspace) -> str:
    """Why no further round may begin; "" where one may."""
    records = workspace.config.budget.records
    if workspace.corpus.accepted >= records:
        return "budget.records: all records are written"
    return workspace.budget.ended() or ""


def _cut_short(workspace: Workspace) -> str:
    """Why the round's rows are not all there; "" where they are."""
    assert workspace.queue is not None and workspace.quota is not None
    places = range(1, workspace.queue.count + 1)
    if all(workspace.has_ended(_record_id(workspace, place)) for place in places):
        return ""
    return workspace.quota.stopped_because or "budget.records: all records are written"


def _minutes(workspace: Workspace) -> Check:
    """What is computed here costs time alone."""
    return workspace.budget.check_minutes


async def _stage(
    workspace: Workspace,
    work: Callable[[Check], Awaitable[int]],
    key: str,
    goto: Goto | Sequence[Send],
    *,
    local: bool = False,
) -> Command[Goto | Literal["close"]]:
    """Where the graph goes from a stage: on, or to its end where the budget has ended."""
    try:
        count = await work(_minutes(workspace) if local else workspace.budget.check)
    except BudgetEndedError as ended:
        return Command(update={"stopped_because": ended.message}, goto="close")
    return Command(update={key: count}, goto=goto)
