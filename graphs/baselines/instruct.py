"""The baselines of instructions: Self-Instruct, Evol-Instruct, and one template for both parts.

draw ─► ask ─► gate ─► answer ─► review ─► score (─► approve) ─► admit | reject

The same teacher, gate, answer expert and checker as the instruct graph, without a conductor, a
critic and second tries; see `baseline_ways`.
"""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.admission.likeness import InstructionPool
from metasynth.graphs.instruct.answers import answer_problem, question_problem, write_answer
from metasynth.graphs.instruct.records import (
    conversation_verdict,
    edited_conversation,
    instruct_record,
    question_draft,
)
from metasynth.graphs.instruct.state import InstructState
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.run.state import DocumentInput, DocumentOutput, SeedState
from metasynth.graphs.tail.ending import Ending, given_up, with_update
from metasynth.graphs.tail.tail import Tail, after_gate
from metasynth.graphs.workspace import RunContext, Source, Workspace
from metasynth.randomness import generator
from metasynth.records.record import Record

from .instruct_prompts import Drawn, answer_failed, ask, draw, eliminated


class BaselineState(InstructState, total=False):
    """One instruction of a baseline; `drawn` is what it is made from."""

    drawn: dict[str, Any]


class _Start(TypedDict):
    """What a record starts from."""

    seed: SeedState
    drawn: dict[str, Any]
    genre: str


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
        Tail(source, BaselineEnding()).add_to(graph)
        graph.add_edge(START, "draw")
        graph.add_edge("draw", "ask")
        graph.add_edge("ask", "gate")
        graph.add_edge("answer", "review")
        return graph

    return build


class _Nodes:
    def __init__(self, source: Source, way: str) -> None:
        self._source = source
        self._way = way

    async def draw(self, state: DocumentInput, runtime: Runtime[RunContext]) -> BaselineState:
        """Choose what the question is made from."""
        workspace = await self._source(runtime.context)
        number, record_id = workspace.place_of(state)
        choose = functools.partial(_start, workspace, self._way, state.chain, record_id)
        start = await workspace.begun(state.chain, record_id, choose)
        return BaselineState(
            record_id=record_id,
            chain=state.chain,
            number=number,
            conversation=[],
            tries=0,
            answers=0,
            critique="",
            rejected_answers=[],
            seed=start["seed"],
            drawn=start["drawn"],
            genre=start["genre"],
        )

    async def ask(self, state: BaselineState, runtime: Runtime[RunContext]) -> BaselineState:
        """Ask the teacher once."""
        workspace = await self._source(runtime.context)
        made = await ask(workspace, self._way, Drawn(**state["drawn"]), **_place(state, "ask"))
        return BaselineState(
            question=made.question,
            answer=made.answer,
            cut=False,
            problem=made.verdict.dump(),
            experts=[self._way],
        )

    async def gate(
        self, state: BaselineState, runtime: Runtime[RunContext]
    ) -> Command[Literal["answer", "review", "reject"]]:
        """Measure the question; an evolution may have failed."""
        workspace = await self._source(runtime.context)
        problem = Verdict.load(state["problem"])
        if not problem.passed:
            return given_up(problem)
        question = state["question"]
        verdict = await asyncio.to_thread(question_problem, workspace, state, question)
        if verdict.passed:
            verdict = await workspace.gate.novelty(_draft(state))
        if verdict.passed and self._way == "evol_instruct":
            place = _place(state, "equal")
            why = await eliminated(workspace, Drawn(**state["drawn"]), question, **place)
            verdict = replace(verdict, code="eliminated", detail=why) if why else verdict
        measured = {"verdict": verdict.dump()}
        if not verdict.passed:
            return with_update(given_up(verdict), measured)
        return Command(update=measured, goto="review" if state["answer"] else "answer")

    async def answer(self, state: BaselineState, runtime: Runtime[RunContext]) -> BaselineState:
        """Have the question answered as in the instruct graph."""
        workspace = await self._source(runtime.context)
        made = await write_answer(workspace, state)
        return BaselineState(
            answer=made.text,
            cut=made.cut,
            answers=1,
            problem=made.verdict.dump(),
            experts=[made.agent],
        )

    async def review(
        self, state: BaselineState, runtime: Runtime[RunContext]
    ) -> Command[Literal["checks", "score", "reject"]]:
        """Measure the answer."""
        workspace = await self._source(runtime.context)
        problem = Verdict.load(state["problem"])
        if not problem.passed:
            return given_up(problem)
        verdict = await asyncio.to_thread(answer_problem, workspace, state)
        measured = replace(Verdict.load(state["verdict"]), checker=verdict.checker)
        if verdict.passed and self._way == "evol_instruct":
            why = answer_failed(state["answer"])
            verdict = replace(verdict, code="eliminated", detail=why) if why else verdict
        update: dict[str, Any] = {"verdict": measured.dump()}
        if not verdict.passed:
            return with_update(given_up(verdict), update)
        turn = {"question": state["question"], "answer": state["answer"]}
        return Command(update={**update, "conversation": [turn]}, goto=after_gate(workspace))


async def _start(workspace: Workspace, way: str, chain: str, record_id: str) -> _Start:
    """What a record that has begun just now is made from."""
    pool = workspace.gate.likeness
    if isinstance(pool, InstructionPool):
        rng = generator(workspace.config.random_seed, "draw", record_id)
        drawn, text = draw(pool, way, rng), ""
    else:
        seed = await workspace.seeds.pick(chain)
        drawn, text = Drawn([seed.id], [seed.text]), seed.text
    return _Start(
        seed={"id": drawn.ids[0], "text": text, "keywords": []},
        drawn=drawn._asdict(),
        genre=drawn.operation,
    )


def _place(state: BaselineState, what: str) -> dict[str, str]:
    step = f"{state['number']}/{what}"
    return {"chain": state["chain"], "step": step, "record_id": state["record_id"]}


def _draft(state: BaselineState) -> Draft:
    return question_draft(state["question"], parent=state["seed"]["id"])


class BaselineEnding(Ending[BaselineState, Literal["reject"], Literal["__end__"]]):
    """A refused instruction is rejected: a baseline has no second try."""

    done = END

    def draft(self, state: BaselineState) -> Draft:
        """The question."""
        return _draft(state)

    def record(self, workspace: Workspace, state: BaselineState, *, rejected: bool) -> Record:
        """The record of the instruction, with all that it was made from."""
        record = instruct_record(workspace, state, rejected=rejected)
        ids = list(state["drawn"]["ids"])
        return record.model_copy(update={"seed_ids": ids[:1], "parent_ids": ids})

    async def judge(self, workspace: Workspace, state: BaselineState) -> Verdict:
        """What the gate says of an instruction that is written already."""
        return await conversation_verdict(workspace, state)

    def refuse(
        self,
        workspace: Workspace,  # noqa: ARG002
        state: BaselineState,  # noqa: ARG002
        verdict: Verdict,
    ) -> Command[Literal["reject"]]:
        """Give the instruction up."""
        return given_up(verdict)

    def edited(self, state: BaselineState, decision: ReviewDecision) -> dict[str, Any]:  # noqa: ARG002
        """The person's version of the conversation."""
        return edited_conversation(decision)
