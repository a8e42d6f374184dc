"""The baselines of instructions: Self-Instruct, Evol-Instruct, and one template for both parts.

draw ─► ask ─► gate ─► answer ─► review ─► score (─► approve) ─► admit | reject

The same teacher, gate, answer expert and checker as the instruct graph, without a conductor, a
critic and second tries; see `baseline_ways`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from metasynth.graphs.admission.gate import Draft, Verdict
from metasynth.graphs.admission.pool import Pool
from metasynth.graphs.approval import Approval, after_score
from metasynth.graphs.best_of_batch import hold, stamped
from metasynth.graphs.instruct.answers import answer_problem, question_problem, write_answer
from metasynth.graphs.instruct.records import (
    checked,
    conversation_verdict,
    edited_conversation,
    instruct_record,
    question_draft,
)
from metasynth.graphs.instruct.state import InstructState
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.run.state import DocumentInput, DocumentOutput
from metasynth.graphs.workspace import RunContext, Source, Workspace
from metasynth.randomness import generator

from .instruct_prompts import Drawn, answer_failed, ask, draw, eliminated


class BaselineState(InstructState, total=False):
    """One instruction of a baseline; `drawn` is what it is made from."""

    drawn: dict[str, Any]


def baseline_graph(way: str) -> Callable[[Source], StateGraph[Any, Any, Any, Any]]:
    """The builder of a baseline's graph; `way` is one of `BASELINES`."""

    def build(source: Source) -> StateGraph[Any, Any, Any, Any]:
        nodes = _Nodes(source, way)
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(
            BaselineState,
            context_schema=RunContext,
            input_schema=DocumentInput,
            output_schema=DocumentOutput,
        )
        teacher = {"agent": "teacher"}
        add_node(graph, "draw", nodes.draw, input_schema=DocumentInput)
        add_node(graph, "ask", nodes.ask, metadata=teacher)
        add_node(graph, "gate", nodes.gate, metadata=teacher)
        add_node(graph, "answer", nodes.answer, metadata={"agent": "expert"})
        add_node(graph, "review", nodes.review)
        add_node(graph, "score", nodes.score, metadata={"agent": "student"})
        add_node(graph, "approve", nodes.approve, metadata={"agent": "person"})
        add_node(graph, "admit", nodes.admit)
        add_node(graph, "reject", nodes.reject)
        graph.add_edge(START, "draw")
        graph.add_edge("draw", "ask")
        graph.add_edge("ask", "gate")
        graph.add_edge("answer", "review")
        graph.add_edge("reject", END)
        return graph

    return build


class _Nodes:
    def __init__(self, source: Source, way: str) -> None:
        self._source = source
        self._way = way

    async def draw(self, state: DocumentInput, runtime: Runtime[RunContext]) -> BaselineState:
        """Choose what the question is made from."""
        workspace = await self._source(runtime.context)
        chain = state.chain
        number = state.number if state.record_id else workspace.next_number(chain)
        record_id = state.record_id or workspace.record_id(chain, number)
        pool = workspace.gate.siblings
        if isinstance(pool, Pool):
            rng = generator(workspace.config.random_seed, "draw", record_id)
            drawn, text = draw(pool, self._way, rng), ""
        else:
            seed = await workspace.seeds.pick(chain)
            drawn, text = Drawn([seed.id], [seed.text]), seed.text
        return BaselineState(
            record_id=record_id,
            chain=chain,
            number=number,
            seed={"id": drawn.ids[0], "text": text, "keywords": []},
            drawn=drawn._asdict(),
            genre=drawn.operation,
            conversation=[],
            tries=0,
            answers=0,
            critique="",
            rejected_answers=[],
        )

    async def ask(self, state: BaselineState, runtime: Runtime[RunContext]) -> BaselineState:
        """Ask the teacher once."""
        workspace = await self._source(runtime.context)
        made = await ask(workspace, self._way, Drawn(**state["drawn"]), **_place(state, "ask"))
        return BaselineState(
            question=made.question,
            answer=made.answer,
            cut=False,
            code=made.code,
            reason=made.reason,
            experts=[self._way],
        )

    async def gate(
        self, state: BaselineState, runtime: Runtime[RunContext]
    ) -> Command[Literal["answer", "review", "reject"]]:
        """Measure the question; an evolution may have failed."""
        workspace = await self._source(runtime.context)
        if state["code"]:
            return Command(goto="reject")
        question = state["question"]
        verdict = await asyncio.to_thread(question_problem, workspace, state, question)
        if verdict.passed:
            verdict = await workspace.gate.novelty(_draft(state))
        if verdict.passed and self._way == "evol_instruct":
            place = _place(state, "equal")
            why = await eliminated(workspace, Drawn(**state["drawn"]), question, **place)
            verdict = Verdict("eliminated", why) if why else verdict
        if not verdict.passed:
            return _rejected(verdict)
        return Command(goto="review" if state["answer"] else "answer")

    async def answer(self, state: BaselineState, runtime: Runtime[RunContext]) -> BaselineState:
        """Have the question answered as in the instruct graph."""
        workspace = await self._source(runtime.context)
        made = await write_answer(workspace, state)
        reason = f"{made.code}: {made.reason.removeprefix(f'{made.code}: ')}" if made.code else ""
        return BaselineState(
            answer=made.text,
            cut=made.cut,
            answers=1,
            code=made.code,
            reason=reason,
            experts=[made.agent],
        )

    async def review(
        self, state: BaselineState, runtime: Runtime[RunContext]
    ) -> Command[Literal["score", "reject"]]:
        """Measure the answer."""
        workspace = await self._source(runtime.context)
        if state["code"]:
            return Command(goto="reject")
        verdict = await asyncio.to_thread(answer_problem, workspace, state)
        checker = verdict.checker.model_dump() if verdict.checker else None
        if verdict.passed and self._way == "evol_instruct":
            why = answer_failed(state["answer"])
            verdict = Verdict("eliminated", why) if why else verdict
        if not verdict.passed:
            return _rejected(verdict, checker=checker)
        turn = {"question": state["question"], "answer": state["answer"]}
        return Command(update={"conversation": [turn], "checker": checker}, goto="score")

    async def score(
        self, state: BaselineState, runtime: Runtime[RunContext]
    ) -> Command[Literal["approve", "admit", "reject"]]:
        """Ask the student, where it has a say."""
        workspace = await self._source(runtime.context)
        if workspace.screen is not None:
            verdict = await workspace.screen.judge(await _candidate(workspace, state))
            if not verdict.passed:
                return _rejected(verdict)
        return Command(goto=after_score(workspace))

    async def approve(
        self, state: BaselineState, runtime: Runtime[RunContext]
    ) -> Command[Literal["admit", "approve", "reject"]]:
        """Ask a person, who may accept, edit or reject the instruction."""
        return await _APPROVAL(await self._source(runtime.context), state)

    async def admit(
        self, state: BaselineState, runtime: Runtime[RunContext]
    ) -> Command[Literal["reject", "__end__"]]:
        """Enter the corpus, if it is still new; what the student chooses from waits."""
        workspace = await self._source(runtime.context)
        record = await _candidate(workspace, state)
        if await hold(workspace, record, _draft(state)):
            return Command(update={"outcome": "held", "reason": ""}, goto=END)
        verdict = await workspace.admission.admit(record, _draft(state))
        if not verdict.passed:
            return _rejected(verdict)
        return Command(update={"outcome": "accepted", "reason": ""}, goto=END)

    async def reject(self, state: BaselineState, runtime: Runtime[RunContext]) -> BaselineState:
        """Keep what was written, with the reason."""
        workspace = await self._source(runtime.context)
        refused: BaselineState = {**state, "refusals": [state["code"]], "tries": 1}
        record = await asyncio.to_thread(
            _record, workspace, refused, reason=state["reason"] or state["code"]
        )
        await workspace.admission.reject(stamped(workspace, record))
        return BaselineState(outcome="rejected")


def _rejected(
    verdict: Verdict, *, checker: dict[str, Any] | None = None
) -> Command[Literal["reject"]]:
    update = {"code": str(verdict.code), "reason": verdict.reason}
    return Command(update={**update, "checker": checker} if checker else update, goto="reject")


def _place(state: BaselineState, what: str) -> dict[str, str]:
    step = f"{state['number']}/{what}"
    return {"chain": state["chain"], "step": step, "record_id": state["record_id"]}


def _draft(state: BaselineState) -> Draft:
    return question_draft(state["question"], parent=state["seed"]["id"])


def _record(workspace: Workspace, state: BaselineState, *, reason: str | None = None) -> Any:
    record = instruct_record(workspace, state, reason=reason)
    ids = list(state["drawn"]["ids"])
    return record.model_copy(update={"seed_ids": ids[:1], "parent_ids": ids})


async def _candidate(workspace: Workspace, state: BaselineState) -> Any:
    return stamped(workspace, await asyncio.to_thread(_record, workspace, state))


_APPROVAL: Approval[Literal["reject"]] = Approval(
    record=_candidate,
    draft=_draft,
    edited=edited_conversation,
    judge=conversation_verdict,
    judged=checked,
    reject=lambda _state, verdict: _rejected(verdict),
)
