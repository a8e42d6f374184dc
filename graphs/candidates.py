"""One question after the other through answer and gate, as workers of softsrv and active do it.

take ─► (ask ─►) answer ─► gate ─► score ─► admit | reject ─► take …

In a round of the graph active the teacher is asked for the problem too, and gives it with its
solution; see `rounds`.
"""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from metasynth.errors import BudgetEndedError
from metasynth.records import CheckerResult, Message, Novelty, Record
from metasynth.text import excerpt

from .answering import ask_for_answer
from .choosing import hold, stamped
from .drafts import generation
from .gate import Draft, Verdict
from .problems import ask_for_problem
from .questions import AnswerSource
from .workspace import RunContext, Source, Workspace

CHAIN = "softsrv"
_SUMMARY_WORDS = 40  # there is no summarizer: the question's beginning stands for the record


class CandidateInput(TypedDict):
    """Which worker it is."""

    worker: int


class CandidateState(TypedDict, total=False):
    """The question in work."""

    worker: int
    chain: str
    place: int
    question: str
    context_id: str
    answer: str
    cut: bool
    agent: str
    novelty: dict[str, Any] | None
    checker: dict[str, Any] | None
    code: str
    reason: str
    finished: Annotated[list[str], operator.add]


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
    graph.add_node("take", nodes.take, destinations=("ask", "answer", "reject", END))
    graph.add_node("ask", nodes.ask, metadata={"agent": "teacher"}, destinations=("gate", END))
    graph.add_node(
        "answer", nodes.answer, metadata={"agent": "teacher"}, destinations=("gate", END)
    )
    graph.add_node("gate", nodes.gate, destinations=("score", "reject"))
    graph.add_node(
        "score",
        nodes.score,
        metadata={"agent": "student"},
        destinations=("admit", "take", "reject", END),
    )
    graph.add_node("admit", nodes.admit, destinations=("take", "reject"))
    graph.add_node("reject", nodes.reject)
    graph.add_edge(START, "take")
    graph.add_edge("reject", "take")
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def take(self, state: CandidateState, runtime: Runtime[RunContext]) -> Command[Any]:
        """The next candidate, or the end of this worker."""
        workspace = await self._source(runtime.context)
        assert workspace.quota is not None
        assert workspace.queue is not None
        if not await workspace.quota.take():
            return _ended(state)
        taken = workspace.queue.next()
        if taken is None:
            await workspace.quota.stop(f"candidates: all {workspace.queue.count} are judged")
            return _ended(state)
        rounds = workspace.rounds
        fault = rounds.fault(taken.place) if rounds is not None else ""
        update = CandidateState(
            chain=rounds.chain if rounds is not None else CHAIN,
            place=taken.place,
            question=taken.question.text,
            context_id=taken.question.context_id,
            answer="",
            cut=False,
            agent="",
            novelty=None,
            checker=None,
            code="junk" if fault else "",
            reason=f"junk: {fault}" if fault else "",
        )
        if fault:  # an answer would be paid for nothing
            return Command(update=update, goto="reject")
        asks = rounds is not None and rounds.asks
        return Command(update=update, goto="ask" if asks else "answer")

    async def ask(self, state: CandidateState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Have the teacher write a problem like the round's seed, and solve it."""
        workspace = await self._source(runtime.context)
        assert workspace.rounds is not None
        try:
            made = await ask_for_problem(
                workspace,
                workspace.rounds.request(state["place"]),
                chain=state["chain"],
                step=str(state["place"]),
                record_id=_id(workspace, state),
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

    async def answer(self, state: CandidateState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Have the question answered, where answers are asked for."""
        workspace = await self._source(runtime.context)
        prompt = _questions(workspace).answer_prompt(state["question"])
        try:
            if prompt is None:
                workspace.budget.check()  # as every call does; here there is none
                return Command(goto="gate")
            reply = await ask_for_answer(
                workspace,
                prompt,
                chain=state["chain"],
                step=str(state["place"]),
                record_id=_id(workspace, state),
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

    async def gate(self, state: CandidateState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Measure question and answer together."""
        workspace = await self._source(runtime.context)
        if state["code"]:  # there is no answer
            return Command(goto="reject")
        draft = _draft(state)
        verdict = await workspace.gate.judge(draft, needs_summary=False)
        if verdict.passed:
            shared = await asyncio.to_thread(_questions(workspace).contaminated, draft.text)
            if shared:
                verdict = Verdict("contaminated", shared, verdict.novelty, verdict.checker)
        return Command(update=_judged(verdict), goto="score" if verdict.passed else "reject")

    async def score(self, state: CandidateState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Ask the student, where it has a say; what it has to choose from waits outside."""
        workspace = await self._source(runtime.context)
        if workspace.screen is None:
            return Command(goto="admit")
        record = await asyncio.to_thread(_record, workspace, state)
        try:
            verdict = await workspace.screen.judge(record)
        except BudgetEndedError as ended:
            assert workspace.quota is not None
            await workspace.quota.stop(ended.message)
            return _ended(state)
        if not verdict.passed:
            update = CandidateState(code=str(verdict.code), reason=verdict.reason)
            return Command(update=update, goto="reject")
        # made anew: asking a judge has cost something
        record = await asyncio.to_thread(_record, workspace, state)
        if await hold(workspace, record, _draft(state)):
            return Command(goto="take")
        return Command(goto="admit")

    async def admit(self, state: CandidateState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Enter the corpus, if the record is still new."""
        workspace = await self._source(runtime.context)
        record = await asyncio.to_thread(_record, workspace, state)
        verdict = await workspace.admission.admit(record, _draft(state))
        if not verdict.passed:
            return Command(update={**_judged(verdict), "checker": state["checker"]}, goto="reject")
        assert workspace.quota is not None
        await workspace.quota.finish(accepted=True)
        return Command(goto="take")

    async def reject(self, state: CandidateState, runtime: Runtime[RunContext]) -> CandidateState:
        """Keep the record with the reason why not."""
        workspace = await self._source(runtime.context)
        record = await asyncio.to_thread(_record, workspace, state)
        await workspace.admission.reject(
            record.model_copy(update={"reason": state["reason"], "refusals": [state["code"]]})
        )
        assert workspace.quota is not None
        await workspace.quota.finish(accepted=False)
        return CandidateState()


def _ended(state: CandidateState) -> Command[Any]:
    return Command(update={"finished": [f"{state['worker']:02d}"]}, goto=END)


def _judged(verdict: Verdict) -> CandidateState:
    return CandidateState(
        novelty=verdict.novelty.model_dump() if verdict.novelty else None,
        checker=verdict.checker.model_dump() if verdict.checker else None,
        code=verdict.code or "",
        reason=verdict.reason,
    )


def _questions(workspace: Workspace) -> AnswerSource:
    source = workspace.rounds or workspace.questions
    assert source is not None
    return source


def _id(workspace: Workspace, state: CandidateState) -> str:
    return workspace.record_id(state["chain"], state["place"])


def _draft(state: CandidateState) -> Draft:
    return Draft(
        text="\n\n".join(part for part in (state["question"], state["answer"]) if part),
        summary=excerpt(state["question"], _SUMMARY_WORDS),
        topic="",
        seed_set=(),
        cut=state["cut"],
    )


def _record(workspace: Workspace, state: CandidateState) -> Record:
    questions = _questions(workspace)
    record_id = _id(workspace, state)
    made = generation(workspace, record_id)
    models = dict(questions.models)
    asks = workspace.rounds is not None and workspace.rounds.asks
    if state["agent"]:
        models["questions and answers" if asks else "answers"] = workspace.voices.experts.name
    novelty, checker = state["novelty"], state["checker"]
    record = Record(
        id=record_id,
        text=state["question"],
        domain=workspace.config.domain.name,
        summary=excerpt(state["question"], _SUMMARY_WORDS),
        parent_ids=[state["context_id"]] if state["context_id"] else [],
        experts=[name for name in ("" if asks else questions.method, state["agent"]) if name],
        source=questions.method,
        novelty=Novelty.model_validate(novelty) if novelty else None,
        checker=CheckerResult.model_validate(checker) if checker else None,
        generation=made.model_copy(update={"models": models}),
    )
    if workspace.rounds is not None:
        record = workspace.rounds.of_seed(record)
    if not state["agent"]:
        return stamped(workspace, record)
    messages = [
        Message(role="user", content=state["question"]),
        Message(role="assistant", content=state["answer"]),
    ]
    update = {"kind": "instruction", "text": None, "messages": messages}
    return stamped(workspace, record.model_copy(update=update))
