"""The instruct graph: a conductor evolves an instruction from a document, experts answer it.

brief ─► conductor ⇄ consult / decide ─► gate ─► answer ⇄ review ─► score (─► approve) ─► admit
             ▲                             │       ▲         │ ▲ (ask on)         │
             │ (reason)                    │       └─ follow_up  │                │
             └─────────────────────────────┴─────────────────────┴────────────────┘
                                                                     bounded tries ─► reject

MetaSynth-Instruct: Riaz et al., arXiv 2504.12563. Which experts are consulted, how often and in
which order is the conductor's choice; who answers is not known from the paper.
"""

import asyncio
from typing import Any, Literal

from langchain_core.messages import AIMessage
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from metasynth.agents.conductor.instructions import INSTRUCT_NUDGE
from metasynth.agents.conductor.tools import INSTRUCT_TOOLS, InstructConsult, instruct_schemas
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.document.consultation import consult_expert, prepare
from metasynth.graphs.document.decision import Decision
from metasynth.graphs.document.turn import take_turn
from metasynth.graphs.run.nodes import Command, add_node
from metasynth.graphs.run.state import Consultation, DocumentInput, DocumentOutput, DocumentState
from metasynth.graphs.tail.tail import Tail, after_gate
from metasynth.graphs.workspace import RunContext, Source

from .answers import (
    CRITIC,
    FOLLOW_UP,
    answer_problem,
    complaint,
    follow_up,
    question_problem,
    write_answer,
)
from .briefing import instruct_begun, instruct_system
from .outcomes import answered, refused, stopped, unanswered, with_rejected
from .records import InstructEnding, question_draft
from .state import InstructState

GRAPH = "instruct"


def instruct_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """The graph, not yet compiled; `source` gives the workspace that its nodes work in."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        InstructState,
        context_schema=RunContext,
        input_schema=DocumentInput,
        output_schema=DocumentOutput,
    )
    expert = {"agent": "expert"}
    add_node(graph, "brief", nodes.brief, input_schema=DocumentInput)
    add_node(graph, "conductor", nodes.conductor, metadata={"agent": "conductor"})
    add_node(graph, "consult", nodes.consult, input_schema=Consultation, metadata=expert)
    add_node(graph, "decide", nodes.decide)
    add_node(graph, "gate", nodes.gate)
    add_node(graph, "answer", nodes.answer, metadata=expert)
    add_node(graph, "review", nodes.review, metadata=expert)
    add_node(graph, "follow_up", nodes.follow_up, metadata=expert)
    Tail(source, InstructEnding()).add_to(graph)
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "conductor")
    graph.add_edge("consult", "decide")
    graph.add_edge("answer", "review")
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def brief(self, state: DocumentInput, runtime: Runtime[RunContext]) -> InstructState:
        """Choose the document and tell the conductor what was asked of it before."""
        return await instruct_begun(await self._source(runtime.context), state)

    async def conductor(
        self, state: InstructState, runtime: Runtime[RunContext]
    ) -> Command[Literal["consult", "decide", "conductor", "gate", "reject"]]:
        """Ask the conductor what to do next; at its bounds, its last question is taken."""
        workspace = await self._source(runtime.context)
        turn = await take_turn(
            workspace,
            state,
            instruct_system(workspace),
            tools=instruct_schemas(),
            graph=GRAPH,
            out_of_turns=(
                f"turns: no instruction accepted within {workspace.config.conductor.max_turns}"
            ),
        )
        if isinstance(turn, str):
            return stopped(workspace, state, turn)
        if not turn.reply.tool_calls:
            update = turn.nudged(state["record_id"], INSTRUCT_NUDGE)
            return Command(update=update, goto="conductor")
        calls = prepare(
            workspace,
            state,
            turn.reply,
            turn.number,
            graph=GRAPH,
            tools=INSTRUCT_TOOLS,
            nudge=INSTRUCT_NUDGE,
        )
        update = {"messages": [turn.reply], "turns": turn.number, "results": calls.results}
        sends = [Send("consult", consultation) for consultation in calls.consultations]
        return Command(update=update, goto=sends or "decide")

    async def consult(self, state: Consultation, runtime: Runtime[RunContext]) -> DocumentState:
        """Ask one expert; it sees its role, the instruction and what is attached."""
        workspace = await self._source(runtime.context)
        return await consult_expert(workspace, state, graph=GRAPH, tool=InstructConsult)

    async def decide(
        self, state: InstructState, runtime: Runtime[RunContext]
    ) -> Command[Literal["conductor", "gate", "reject"]]:
        """Answer the conductor's calls in their order, and do what they decide."""
        workspace = await self._source(runtime.context)
        required = workspace.config.conductor.require
        decision = Decision(state, submits="question", required=required)
        reply = next(m for m in reversed(state["messages"]) if isinstance(m, AIMessage))
        for call in reply.tool_calls:
            decision.take(str(call["id"]), call["name"], call["args"])
        return decision.command()

    async def gate(
        self, state: InstructState, runtime: Runtime[RunContext]
    ) -> Command[Literal["answer", "conductor", "reject"]]:
        """Measure the submitted question, before its answer is paid for."""
        workspace = await self._source(runtime.context)
        question = state["artifacts"][state["submission"]["draft"]]["text"]
        fresh = InstructState(
            conversation=[],
            question=question,
            answer="",
            answers=0,
            critique="",
            problem={},
            rejected_answers=[],
        )
        opened: InstructState = {**state, **fresh}
        verdict = await asyncio.to_thread(question_problem, workspace, opened, question)
        if verdict.passed:
            draft = question_draft(question, parent=state["seed"]["id"])
            verdict = await workspace.gate.novelty(draft)
        fresh["verdict"] = verdict.dump()
        if verdict.passed:
            return Command(update=fresh, goto="answer")
        return refused(workspace, state, verdict, update=fresh)

    async def answer(self, state: InstructState, runtime: Runtime[RunContext]) -> InstructState:
        """Have the question answered, by someone who sees neither conductor nor its experts."""
        workspace = await self._source(runtime.context)
        made = await write_answer(workspace, state)
        return InstructState(
            answer=made.text,
            cut=made.cut,
            answers=state["answers"] + 1,
            problem=made.verdict.dump(),
            critique=made.verdict.detail,
            experts=[made.agent],
        )

    async def review(
        self, state: InstructState, runtime: Runtime[RunContext]
    ) -> Command[Literal["answer", "follow_up", "checks", "score", "conductor", "reject"]]:
        """Measure the answer, have it criticised, and have it written anew where it is wanting."""
        workspace = await self._source(runtime.context)
        verdict = Verdict.load(state["problem"])
        if verdict.passed:
            verdict = await asyncio.to_thread(answer_problem, workspace, state)
        tries_left = state["answers"] < workspace.config.instruct.answer_tries
        if not verdict.passed:
            return await unanswered(workspace, state, verdict, tries_left=tries_left)
        update = InstructState()
        if workspace.config.instruct.critic and tries_left:
            update["experts"] = [CRITIC]
            if advice := await complaint(workspace, state):
                update["rejected_answers"] = with_rejected(state, by=CRITIC, reason=advice)
                return Command(update={**update, "critique": advice}, goto="answer")
        return answered(workspace, state, verdict, update)

    async def follow_up(
        self, state: InstructState, runtime: Runtime[RunContext]
    ) -> Command[Literal["answer", "checks", "score"]]:
        """Have the conversation go on; where nothing usable comes, it ends here."""
        workspace = await self._source(runtime.context)
        made = await follow_up(workspace, state)
        update = InstructState(experts=[FOLLOW_UP] * made.asked)
        if not made.question:
            return Command(update=update, goto=after_gate(workspace))
        opened = InstructState(
            question=made.question, answer="", answers=0, critique="", problem={}, cut=False
        )
        return Command(update={**update, **opened}, goto="answer")
