"""The document graph: a conductor directs experts until the gate takes a draft.

brief ─► conductor ⇄ consult, sample / decide ─► gate ─► score (─► approve) ─► admit
             ▲                                     │        │ (reason)  │
             └─────────────────────────────────────┴────────┴───────────┘   bounded tries ─► reject
"""

from typing import Any, Literal

from langchain_core.messages import AIMessage, SystemMessage
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from metasynth.agents.conductor.documents import NUDGE, brief, conductor_prompt
from metasynth.agents.conductor.tools import tool_schemas
from metasynth.agents.messages import parse_keywords
from metasynth.graphs.run.nodes import Command, add_node
from metasynth.graphs.run.state import (
    Consultation,
    DocumentInput,
    DocumentOutput,
    DocumentState,
    Sampling,
)
from metasynth.graphs.tail.tail import Tail
from metasynth.graphs.workspace import RunContext, Source, Workspace
from metasynth.text.words import count_words

from .artifacts import new_artifact
from .briefing import digest_for
from .consultation import consult_expert, prepare
from .decision import Decision, lost
from .ending import DocumentEnding
from .sampling import draw_drafts, offer_of
from .turn import take_turn

GRAPH = "document"


def document_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """The graph, not yet compiled; `source` gives the workspace that its nodes work in."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        DocumentState,
        context_schema=RunContext,
        input_schema=DocumentInput,
        output_schema=DocumentOutput,
    )
    add_node(graph, "brief", nodes.brief, input_schema=DocumentInput)
    add_node(graph, "conductor", nodes.conductor, metadata={"agent": "conductor"})
    add_node(
        graph, "consult", nodes.consult, input_schema=Consultation, metadata={"agent": "expert"}
    )
    add_node(graph, "sample", nodes.sample, input_schema=Sampling, metadata={"agent": "softsrv"})
    add_node(graph, "decide", nodes.decide)
    Tail(source, DocumentEnding()).add_to(graph)
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "conductor")
    graph.add_edge("consult", "decide")
    graph.add_edge("sample", "decide")
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def brief(self, state: DocumentInput, runtime: Runtime[RunContext]) -> DocumentState:
        """Choose the seed and tell the conductor what the memory holds."""
        workspace = await self._source(runtime.context)
        chain = state.chain
        number, record_id = workspace.place_of(state)
        seed = await workspace.seeds.pick(chain)
        digest, neighbours = await digest_for(workspace, seed.text, chain, number)
        shown = _seed_line(seed.text, bool(seed.keywords))
        message = brief(shown, digest)
        message.id = f"{record_id}/brief"
        artifacts = {"seed-1": new_artifact("seed", seed.text, by="seeds")}
        if seed.keywords and workspace.config.conductor.policy == "fixed":
            keywords = ", ".join(parse_keywords(seed.text))
            artifacts["keywords-1"] = new_artifact("keywords", keywords, by="seeds")
        if neighbours:
            artifacts["neighbours"] = new_artifact("neighbours", neighbours, by="memory")
        return DocumentState(
            record_id=record_id,
            chain=chain,
            number=number,
            seed={"id": seed.id, "text": seed.text, "keywords": list(seed.keywords)},
            messages=[message],
            artifacts=artifacts,
            seed_set=list(seed.keywords),
            genres=list(digest.genres),
            personas=list(digest.personas),
            turns=0,
            tries=0,
        )

    async def conductor(
        self, state: DocumentState, runtime: Runtime[RunContext]
    ) -> Command[Literal["consult", "sample", "decide", "conductor", "reject"]]:
        """Ask the conductor what to do next."""
        workspace = await self._source(runtime.context)
        turn = await take_turn(
            workspace,
            state,
            _system(workspace),
            tools=tool_schemas(sampling=workspace.sampler.offered),
            graph=GRAPH,
            out_of_turns=(
                f"turns: no draft accepted within {workspace.config.conductor.max_turns} turns"
            ),
        )
        if isinstance(turn, str):
            return lost(turn)
        if not turn.reply.tool_calls:
            return Command(update=turn.nudged(state["record_id"], NUDGE), goto="conductor")
        calls = prepare(workspace, state, turn.reply, turn.number, graph=GRAPH)
        update = {"messages": [turn.reply], "turns": turn.number, "results": calls.results}
        sends = [Send("consult", consultation) for consultation in calls.consultations]
        if calls.samplings:
            sends += [Send("sample", sampling) for sampling in calls.samplings]
            update["samplings"] = state.get("samplings", 0) + len(calls.samplings)
        return Command(update=update, goto=sends or "decide")

    async def consult(self, state: Consultation, runtime: Runtime[RunContext]) -> DocumentState:
        """Ask one expert; it sees its role, the instruction and what is attached."""
        return await consult_expert(await self._source(runtime.context), state, graph=GRAPH)

    async def sample(self, state: Sampling, runtime: Runtime[RunContext]) -> DocumentState:
        """Draw drafts from the sampler; the conductor gets their references."""
        return await draw_drafts(await self._source(runtime.context), state)

    async def decide(
        self, state: DocumentState, runtime: Runtime[RunContext]
    ) -> Command[Literal["conductor", "gate", "reject"]]:
        """Answer the conductor's calls in their order, and do what they decide."""
        workspace = await self._source(runtime.context)
        decision = Decision(state, required=workspace.config.conductor.require)
        reply = next(m for m in reversed(state["messages"]) if isinstance(m, AIMessage))
        for call in reply.tool_calls:
            decision.take(str(call["id"]), call["name"], call["args"])
        if decision.seed_set is not None:
            workspace.memory.claim(state["chain"], ", ".join(decision.seed_set))
        return decision.command()


def _seed_line(text: str, is_keywords: bool) -> str:
    if is_keywords:
        return f"seed-1, keywords: {', '.join(parse_keywords(text))}"
    return f"seed-1, a document of {count_words(text)} words"


def _system(workspace: Workspace) -> SystemMessage:
    return conductor_prompt(
        workspace.variables(),
        workspace.offered(GRAPH),
        tries=workspace.config.gate.tries,
        min_words=workspace.config.gate.min_words,
        sampling=offer_of(workspace),
        screened=workspace.config.student_sends_back,
        personas=workspace.config.conductor.personas,
    )
