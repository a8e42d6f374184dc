"""One question after the other through answer and gate, as workers of softsrv and active do it.

take ─► (ask ─►) answer ─► gate ─► score (─► approve) ─► admit | reject ─► take …

In a round of the graph active the teacher may be asked for the problem too, and gives it with its
solution.
"""

from typing import Any, Literal, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from metasynth.errors import BudgetEndedError
from metasynth.graphs.approval import after_score, review_of
from metasynth.graphs.best_of_batch import hold
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.workspace import RunContext, Source

from .answering import ask_for_answer
from .problems import ask_for_problem
from .records import (
    APPROVAL,
    CandidateState,
    candidate_record,
    candidate_verdict,
    draft_of_candidate,
    given_up,
    id_of,
    judged,
)
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
    add_node(graph, "gate", nodes.gate)
    add_node(graph, "score", nodes.score, metadata={"agent": "student"})
    add_node(graph, "approve", nodes.approve, metadata={"agent": "person"})
    add_node(graph, "admit", nodes.admit)
    add_node(graph, "reject", nodes.reject)
    graph.add_edge(START, "take")
    graph.add_edge("reject", "take")
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def take(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["ask", "answer", "reject", "__end__"]]:
        """The next candidate, or the end of this worker."""
        workspace = await self._source(runtime.context)
        assert workspace.quota is not None
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
            novelty=None,
            checker=None,
            review={},
            edit={},
            outcome="",
            code="junk" if question.fault else "",
            reason=f"junk: {question.fault}" if question.fault else "",
        )
        if question.fault:  # an answer would be paid for nothing
            return Command(update=update, goto="reject")
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
            assert workspace.quota is not None
            await workspace.quota.stop(ended.message)
            return _ended(state)
        update = CandidateState(
            question=made.problem,
            answer=made.solution,
            cut=made.cut,
            agent=made.agent,
            code=made.code,
            reason=made.reason,
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
            assert workspace.quota is not None
            await workspace.quota.stop(ended.message)
            return _ended(state)
        update = CandidateState(
            answer=reply.text,
            cut=reply.cut,
            agent=reply.agent,
            code=reply.code,
            reason=reply.reason,
        )
        return Command(update=update, goto="gate")

    async def gate(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["score", "reject"]]:
        """Measure question and answer together."""
        workspace = await self._source(runtime.context)
        if state["code"]:  # there is no answer
            return Command(goto="reject")
        verdict = await candidate_verdict(workspace, state)
        return Command(update=judged(verdict), goto="score" if verdict.passed else "reject")

    async def score(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["approve", "admit", "reject", "__end__"]]:
        """Ask the student, where it has a say."""
        workspace = await self._source(runtime.context)
        if workspace.screen is None:
            return Command(goto=after_score(workspace))
        try:
            verdict = await workspace.screen.judge(await candidate_record(workspace, state))
        except BudgetEndedError as ended:
            assert workspace.quota is not None
            await workspace.quota.stop(ended.message)
            return _ended(state)
        return Command(goto=after_score(workspace)) if verdict.passed else given_up(state, verdict)

    async def approve(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["admit", "approve", "reject", "__end__"]]:
        """Ask a person, who may accept, edit or reject the record."""
        workspace = await self._source(runtime.context)
        try:
            return await APPROVAL(workspace, state)
        except BudgetEndedError as ended:  # a judge may not be asked about an edit
            assert workspace.quota is not None
            await workspace.quota.stop(ended.message)
            return _ended(state)

    async def admit(
        self, state: CandidateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["take", "reject"]]:
        """Enter the corpus, if the record is still new; what the student chooses from waits."""
        workspace = await self._source(runtime.context)
        record = await candidate_record(workspace, state)
        if await hold(workspace, record, draft_of_candidate(state)):
            return Command(update={"outcome": "held"}, goto="take")
        verdict = await workspace.admission.admit(record, draft_of_candidate(state))
        if not verdict.passed:
            return Command(update={**judged(verdict), "checker": state["checker"]}, goto="reject")
        assert workspace.quota is not None
        await workspace.quota.finish(accepted=True)
        return Command(goto="take")

    async def reject(self, state: CandidateState, runtime: Runtime[RunContext]) -> CandidateState:
        """Keep the record with the reason why not."""
        workspace = await self._source(runtime.context)
        record = await candidate_record(workspace, state)
        ended = {"reason": state["reason"], "refusals": [state["code"]]}
        review = review_of(state, state["reason"])
        await workspace.admission.reject(record.model_copy(update={**ended, "review": review}))
        assert workspace.quota is not None
        await workspace.quota.finish(accepted=False)
        return CandidateState()


def _ended(state: CandidateState) -> Command[Literal["__end__"]]:
    return Command(update={"finished": [f"{state['worker']:02d}"]}, goto=END)
