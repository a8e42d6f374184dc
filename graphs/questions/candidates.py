"""One question after the other through answer and gate, as workers of softsrv and active do it.

take ─► (ask ─►) answer ─► gate ─► score (─► approve) ─► admit | reject ─► take …

In a round of the graph active the teacher may be asked for the problem too, and gives it with its
solution.
"""

from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from metasynth.errors import BudgetEndedError
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.tail.ending import given_up
from metasynth.graphs.tail.tail import Tail
from metasynth.graphs.workspace import RunContext, Source

from .answering import ask_for_answer
from .problems import ask_for_problem
from .records import CandidateEnding, CandidateState, id_of
from .workspace import queue_of


class CandidateInput(TypedDict):
    """Which worker it is."""

    worker: int


class CandidateOutput(TypedDict, total=False):
    """A worker that has ended."""

    finished: list[str]


def candidate_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """A worker, not yet compiled; it runs until the quota or the candidates have ended."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        CandidateState,
        context_schema=RunContext,
        input_schema=CandidateInput,
        output_schema=CandidateOutput,
    )
    add_node(graph, "take", nodes.take)
    add_node(graph, "ask", nodes.ask, metadata={"agent": "teacher"})
    add_node(graph, "answer", nodes.answer, metadata={"agent": "teacher"})
    agents = {"score": "student", "approve": "person"}
    for name, agent in agents.items():
        add_node(graph, name, getattr(nodes, name), metadata={"agent": agent})
    nodes.tail.add_to(graph)
    graph.add_edge(START, "take")
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source
        self.tail = Tail(source, CandidateEnding())

    async def take(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["ask", "answer", "reject", "__end__"]]:
        """The next candidate, or the end of this worker."""
        workspace = await self._source(runtime.context)
        queue = queue_of(workspace)
        if not await workspace.quota.take():
            return _ended(state)
        place = queue.next()
        if place is None:
            await workspace.quota.stop(f"candidates: all {len(queue.batch)} are judged")
            return _ended(state)
        question = queue.batch[place]
        update = CandidateState(
            chain=queue.batch.chain,
            place=place,
            question=question.text,
            answer="",
            cut=False,
            agent="",
            verdict={},
            refusals=[],
            review={},
            edit={},
            outcome="",
            reason="",
        )
        if question.fault:  # an answer would be paid for nothing
            return Command(
                update={**update, **given_up(Verdict("junk", question.fault)).update}, goto="reject"
            )
        return Command(update=update, goto="answer" if question.request is None else "ask")

    async def ask(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["gate", "__end__"]]:
        """Have the teacher write a problem like the round's seed, and solve it."""
        workspace = await self._source(runtime.context)
        request = queue_of(workspace).batch[state["place"]].request
        assert request is not None
        try:
            made = await ask_for_problem(
                workspace,
                request,
                chain=state["chain"],
                step=str(state["place"]),
                record_id=id_of(workspace, state),
            )
        except BudgetEndedError as ended:
            return await self._stopped(state, runtime, ended)
        update = CandidateState(
            question=made.problem,
            answer=made.solution,
            cut=made.cut,
            agent=made.agent,
            verdict=made.verdict.dump(),
        )
        return Command(update=update, goto="gate")

    async def answer(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["gate", "__end__"]]:
        """Have the question answered, where answers are asked for."""
        workspace = await self._source(runtime.context)
        prompt = queue_of(workspace).batch.answer_prompt(state["question"])
        try:
            if prompt is None:
                workspace.budget.check()  # as every call does; here there is none
                return Command(goto="gate")
            reply = await ask_for_answer(
                workspace,
                prompt,
                chain=state["chain"],
                step=str(state["place"]),
                record_id=id_of(workspace, state),
            )
        except BudgetEndedError as ended:
            return await self._stopped(state, runtime, ended)
        update = CandidateState(
            answer=reply.text,
            cut=reply.cut,
            agent=reply.agent,
            verdict=reply.verdict.dump(),
        )
        return Command(update=update, goto="gate")

    async def score(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["approve", "admit", "reject", "__end__"]]:
        """Ask the student, where it has a say; a judge of its may not be asked any more."""
        try:
            return await self.tail.score(state, runtime)
        except BudgetEndedError as ended:
            return await self._stopped(state, runtime, ended)

    async def approve(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["admit", "approve", "reject", "__end__"]]:
        """Ask a person; a judge may not be asked about an edit any more."""
        try:
            return await self.tail.approve(state, runtime)
        except BudgetEndedError as ended:
            return await self._stopped(state, runtime, ended)

    async def _stopped(
        self, state: CandidateState, runtime: Runtime[RunContext], ended: BudgetEndedError
    ) -> Command[Literal["__end__"]]:
        """The worker ends with the budget."""
        workspace = await self._source(runtime.context)
        await workspace.quota.stop(ended.message)
        return _ended(state)


def _ended(state: CandidateState) -> Command[Literal["__end__"]]:
    return Command(update={"finished": [f"{state['worker']:02d}"]}, goto=END)
