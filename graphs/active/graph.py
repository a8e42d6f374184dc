"""The graph active: rounds in which the student steers what is generated, and learns from it.

open ─► score_seeds ─► select ─► generate ─► candidate … | document … ─► score_children
             ▲                                                                 │
             └──────── (next round) ◄── evaluate ◄── fine_tune ◄───────────────┘   ─► close

Rounds of Kessler et al. (arXiv 2512.00884): the student scores the seeds, some are selected, and
only then is a teacher asked for new rows; the student is fine-tuned on them and measured. A round
asks for as many rows as the run file says, whatever becomes of them: a budget is spent alike in
every arm. Each stage keeps its result in the run directory and goes on from there (see `folder`).
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
from metasynth.graphs.corpus import RecordWriter
from metasynth.graphs.questions.candidates import CandidateInput, candidate_graph
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.tail.best_of_batch import begin_quota, settle
from metasynth.graphs.workspace import RunContext, Source

from .evaluation import evaluate_student
from .folder import begin_round
from .generation import make_batch
from .round_report import write_report
from .scores import score_children, score_pool
from .selection import select_rows
from .training import train_student
from .workspace import ActiveWorkspace

_NO_LIMIT = 1_000_000_000  # steps are bounded by the rounds and their rows
_DONE = "candidates:"  # how a queue that is empty says so: the round has all its rows
Goto = TypeVar("Goto", bound=str)


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
    """The graph, not yet compiled; `source` gives an `ActiveWorkspace`."""
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
        workspace = await self._workspace(runtime)
        return await _next_round(workspace, ActiveState(chains=state.chains))

    async def score_seeds(
        self,
        state: ActiveState,  # noqa: ARG002 - every node has one
        runtime: Runtime[RunContext],
    ) -> Command[Literal["select", "close"]]:
        """Have the student score the pool; before the first round it is tested."""

        async def score(workspace: ActiveWorkspace, check: Check) -> int:
            with workspace.rounds.progress.stage("scoring the pool"):
                await asyncio.to_thread(begin_round, workspace)
                if workspace.rounds.number == 1:
                    await evaluate_student(workspace, 0, check)
                return await score_pool(workspace, check)

        return await _stage(await self._workspace(runtime), score, "scored", "select")

    async def select(
        self,
        state: ActiveState,  # noqa: ARG002
        runtime: Runtime[RunContext],
    ) -> Command[Literal["generate", "close"]]:
        """Choose the seeds, or the contexts, of this round."""
        return await _stage(await self._workspace(runtime), select_rows, "selected", "generate")

    async def generate(
        self, state: ActiveState, runtime: Runtime[RunContext]
    ) -> Command[Literal["candidate", "document", "close"]]:
        """Hand the rows that are asked for to the workers."""

        async def fill_queue(workspace: ActiveWorkspace, check: Check) -> int:
            batch = await make_batch(workspace, check)
            workspace.queue.fill(
                batch, ended=lambda place: workspace.has_ended(workspace.id_at(place))
            )
            await settle(workspace)
            return len(batch)

        workspace = await self._workspace(runtime)
        await begin_quota(workspace)
        if workspace.plan.conducts:
            workers = [Send("document", DocumentTask(worker=n)) for n in range(state["chains"])]
        else:
            workers = [Send("candidate", CandidateInput(worker=n)) for n in range(state["chains"])]
        return await _stage(workspace, fill_queue, "asked", workers)

    async def document(self, state: DocumentTask, runtime: Runtime[RunContext]) -> ActiveState:
        """Have a conductor write from one selected seed after the other."""
        workspace = await self._workspace(runtime)
        quota, queue = workspace.quota, workspace.queue
        while await quota.take():
            place = queue.next()
            if place is None:
                await quota.stop(f"{_DONE} all {len(queue.batch)} are judged")
                break
            chain = workspace.chain_at(place)
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
        workspace = await self._workspace(runtime)
        cut_short = _cut_short(workspace)
        if not cut_short:  # else the next start may still add to the batch
            await settle(workspace, final=True)
        update = ActiveState(stopped_because=cut_short)
        if cut_short.startswith("budget.minutes"):
            return Command(update=update, goto="close")
        try:
            update["children"] = await score_children(workspace, workspace.budget.check_minutes)
        except BudgetEndedError as ended:  # a judge may not be asked any more
            update["stopped_because"] = cut_short or ended.message
        return Command(update=update, goto="fine_tune")

    async def fine_tune(
        self,
        state: ActiveState,  # noqa: ARG002
        runtime: Runtime[RunContext],
    ) -> Command[Literal["evaluate", "close"]]:
        """Train the student on what was admitted."""
        workspace = await self._workspace(runtime)
        return await _stage(workspace, train_student, "trained", "evaluate", local=True)

    async def evaluate(
        self, state: ActiveState, runtime: Runtime[RunContext]
    ) -> Command[Literal["score_seeds", "close"]]:
        """Measure the student, write the round down, and go on with the next."""
        workspace = await self._workspace(runtime)
        rounds = workspace.rounds
        try:
            with rounds.progress.stage("measuring the student"):
                check = workspace.budget.check_minutes
                tested = await evaluate_student(workspace, rounds.number, check)
        except BudgetEndedError as ended:
            return Command(update={"stopped_because": ended.message}, goto="close")
        stopped = state.get("stopped_because", "")
        await write_report(workspace, stopped)
        update = ActiveState(tested=tested)
        if stopped:
            return Command(update=update, goto="close")
        return await _next_round(workspace, update)

    async def close(self, state: ActiveState, runtime: Runtime[RunContext]) -> ActiveState:
        """Say what came of it."""
        workspace = await self._workspace(runtime)
        return ActiveState(
            accepted=workspace.corpus.accepted,
            rejected=workspace.corpus.rejected,
            stopped_because=state.get("stopped_because") or "rounds: all are done",
        )

    async def _workspace(self, runtime: Runtime[RunContext]) -> ActiveWorkspace:
        workspace = await self._source(runtime.context)
        assert isinstance(workspace, ActiveWorkspace), "compose opens one for this graph"
        return workspace


async def _next_round(
    workspace: ActiveWorkspace, update: ActiveState
) -> Command[Literal["score_seeds", "close"]]:
    """Where the graph goes between rounds: to the next, or to its end."""
    rounds = workspace.rounds
    if not await asyncio.to_thread(rounds.turn_to_next, len(workspace.plan.settings.plan)):
        return Command(update=update, goto="close")
    ended = _ended(workspace)
    if ended and not rounds.here.is_begun:
        return Command(update={**update, "stopped_because": ended}, goto="close")
    return Command(update={**update, "round": rounds.number}, goto="score_seeds")


def _ended(workspace: ActiveWorkspace) -> str:
    """Why no further round may begin; "" where one may."""
    if workspace.corpus.accepted >= workspace.config.budget.records:
        return "budget.records: all records are written"
    return workspace.budget.ended() or ""


def _cut_short(workspace: ActiveWorkspace) -> str:
    """Why the round's rows are not all there; "" where they are."""
    if workspace.rows_have_ended():
        return ""
    ended = workspace.quota.stopped_because or _ended(workspace)
    return ended or "budget.records: all records are written"


async def _stage(
    workspace: ActiveWorkspace,
    work: Callable[[ActiveWorkspace, Check], Awaitable[int]],
    key: str,
    goto: Goto | list[Send],
    *,
    local: bool = False,
) -> Command[Goto | Literal["close"]]:
    """Where the graph goes from a stage: on, or to its end where the budget has ended.

    Args:
        local: What is computed costs time alone, not calls.
    """
    # a round whose rows were chosen goes on to its end: what is still to come asks nobody, or is
    # refused call by call
    local = local or workspace.rounds.here.is_begun
    check = workspace.budget.check_minutes if local else workspace.budget.check
    try:
        count = await work(workspace, check)
    except BudgetEndedError as ended:
        return Command(update={"stopped_because": ended.message}, goto="close")
    return Command(update={key: count}, goto=goto)
