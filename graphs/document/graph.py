"""The document graph: a conductor directs experts until the gate takes a draft.

brief ─► conductor ⇄ consult, sample / decide ─► gate ─► score (─► approve) ─► admit
             ▲                                     │        │ (reason)  │
             └─────────────────────────────────────┴────────┴───────────┘   bounded tries ─► reject
"""

import asyncio
from typing import Any, Literal

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from metasynth.agents.conductor.documents import NUDGE, brief, conductor_prompt
from metasynth.agents.conductor.history import bounded, estimated_tokens
from metasynth.agents.conductor.tools import tool_schemas
from metasynth.agents.messages import parse_keywords
from metasynth.errors import PromptError
from metasynth.graphs.admission.gate import Draft, Verdict
from metasynth.graphs.approval import Answer, Approval, after_score, text_of
from metasynth.graphs.best_of_batch import hold, stamped
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.run.state import (
    Consultation,
    DocumentInput,
    DocumentOutput,
    DocumentState,
    Sampling,
)
from metasynth.graphs.workspace import RunContext, Source, Workspace
from metasynth.records.record import Record

from .artifacts import document_record, draft_of, new_artifact, next_ref
from .briefing import digest_for
from .consultation import consult_expert, normalised, prepare
from .decision import Decision, given_up, lost, refused
from .sampling import draw_drafts, offer_of

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
    add_node(graph, "gate", nodes.gate)
    add_node(graph, "score", nodes.score, metadata={"agent": "student"})
    add_node(graph, "approve", nodes.approve, metadata={"agent": "person"})
    add_node(graph, "admit", nodes.admit)
    add_node(graph, "reject", nodes.reject)
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "conductor")
    graph.add_edge("consult", "decide")
    graph.add_edge("sample", "decide")
    graph.add_edge("reject", END)
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def brief(self, state: DocumentInput, runtime: Runtime[RunContext]) -> DocumentState:
        """Choose the seed and tell the conductor what the memory holds."""
        workspace = await self._source(runtime.context)
        chain = state.chain
        number = state.number if state.record_id else workspace.next_number(chain)
        record_id = state.record_id or workspace.record_id(chain, number)
        seed = await workspace.seeds.pick(chain)
        digest, neighbours = await digest_for(workspace, seed.text, chain, number)
        shown = _seed_line(seed.text, bool(seed.keywords))
        message = brief(shown, digest)
        message.id = f"{record_id}/brief"
        artifacts = {"seed-1": new_artifact("seed", seed.text, by="seeds")}
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
            turns=0,
            tries=0,
        )

    async def conductor(
        self, state: DocumentState, runtime: Runtime[RunContext]
    ) -> Command[Literal["consult", "sample", "decide", "conductor", "reject"]]:
        """Ask the conductor what to do next."""
        workspace = await self._source(runtime.context)
        limits = workspace.config.conductor
        turn = state["turns"] + 1
        if turn > limits.max_turns:
            return lost(f"turns: no draft accepted within {limits.max_turns} turns")
        system = _system(workspace)
        messages = bounded([system, *state["messages"]], limits.max_prompt_tokens)
        if estimated_tokens(messages) > limits.max_prompt_tokens:
            return lost(f"prompt: longer than {limits.max_prompt_tokens} tokens")
        try:
            reply = await workspace.caller.call(
                workspace.voices.conductor,
                messages,
                chain=state["chain"],
                step=f"{state['number']}/{turn}",
                agent="conductor",
                record_id=state["record_id"],
                tools=tool_schemas(sampling=workspace.sampler is not None),
            )
        except PromptError as error:
            return lost(f"prompt: {error.message}")
        reply = normalised(reply, state["record_id"], turn, limits.max_calls_per_turn)
        if not reply.tool_calls:
            nudge = HumanMessage(NUDGE, id=f"{state['record_id']}/{turn}/nudge")
            return Command(update={"messages": [reply, nudge], "turns": turn}, goto="conductor")
        turned = prepare(workspace, state, reply, turn, graph=GRAPH)
        update = {"messages": [reply], "turns": turn, "results": turned.results}
        sends = [Send("consult", consultation) for consultation in turned.consultations]
        if turned.samplings:
            sends += [Send("sample", sampling) for sampling in turned.samplings]
            update["samplings"] = state.get("samplings", 0) + len(turned.samplings)
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
        decision = Decision(state)
        reply = next(m for m in reversed(state["messages"]) if isinstance(m, AIMessage))
        for call in reply.tool_calls:
            decision.take(str(call["id"]), call["name"], call["args"])
        if decision.seed_set is not None:
            workspace.memory.claim(state["chain"], ", ".join(decision.seed_set))
        return decision.command()

    async def gate(
        self, state: DocumentState, runtime: Runtime[RunContext]
    ) -> Command[Literal["score", "conductor", "reject"]]:
        """Measure the submitted draft."""
        workspace = await self._source(runtime.context)
        if not state["seed_set"]:
            unsettled = Verdict("seeds_missing", "no seed set is settled: call set_seeds first")
            return refused(workspace, state, unsettled)
        verdict = await _judged(workspace, state)
        if verdict.passed:
            return Command(goto="score")
        return refused(workspace, state, verdict)

    async def score(
        self, state: DocumentState, runtime: Runtime[RunContext]
    ) -> Command[Literal["approve", "admit", "conductor", "reject"]]:
        """Ask the student, where it has a say."""
        workspace = await self._source(runtime.context)
        if workspace.screen is not None:
            verdict = await workspace.screen.judge(await _candidate(workspace, state))
            if not verdict.passed:
                return refused(workspace, state, verdict)
        return Command(goto=after_score(workspace))

    async def approve(
        self, state: DocumentState, runtime: Runtime[RunContext]
    ) -> Command[Literal["admit", "approve", "conductor", "reject"]]:
        """Ask a person, who may accept, edit, reject or send the draft back."""
        return await _APPROVAL(await self._source(runtime.context), state)

    async def admit(
        self, state: DocumentState, runtime: Runtime[RunContext]
    ) -> Command[Literal["conductor", "reject", "__end__"]]:
        """Enter the corpus, if the draft is still new; what the student chooses from waits."""
        workspace = await self._source(runtime.context)
        draft, record = _submitted(state), await _candidate(workspace, state)
        if await hold(workspace, record, draft):
            return Command(update={"outcome": "held", "reason": ""}, goto=END)
        verdict = await workspace.admission.admit(record, draft)
        if not verdict.passed:
            return refused(workspace, state, verdict)
        return Command(update={"outcome": "accepted", "reason": ""}, goto=END)

    async def reject(self, state: DocumentState, runtime: Runtime[RunContext]) -> DocumentState:
        """Keep what was written, with the reason."""
        workspace = await self._source(runtime.context)
        record = await asyncio.to_thread(document_record, workspace, state, reason=state["reason"])
        await workspace.admission.reject(stamped(workspace, record))
        return DocumentState(outcome="rejected")


async def _candidate(workspace: Workspace, state: DocumentState) -> Record:
    """The record of the submitted draft, as it would enter the corpus."""
    checker = workspace.gate.sound(_submitted(state)).checker
    record = await asyncio.to_thread(document_record, workspace, state, checker=checker)
    return stamped(workspace, record)


def _submitted(state: DocumentState) -> Draft:
    return draft_of(state, state["submission"]["draft"])


async def _judged(workspace: Workspace, state: DocumentState) -> Verdict:
    return await workspace.gate.judge(_submitted(state))


def _edited(state: DocumentState, answer: Answer) -> dict[str, Any]:
    """A draft of its own, which keeps the summary and the label of the one that was edited."""
    artifacts, old = state["artifacts"], state["submission"]["draft"]
    ref = next_ref("draft", artifacts, set())
    made = {ref: {**artifacts[old], "text": text_of(answer), "by": "person", "cut": False}}
    for artifact in artifacts.values():
        if artifact["about"] == old and (kind := artifact["kind"]) in ("summary", "topic"):
            made[next_ref(kind, artifacts, set())] = {**artifact, "about": ref}
    return {"artifacts": made, "submission": {**state["submission"], "draft": ref}}


_APPROVAL: Approval[Literal["conductor", "reject"]] = Approval(
    record=_candidate,
    draft=_submitted,
    edited=_edited,
    judge=_judged,
    reject=given_up,
    send_back=refused,
)


def _seed_line(text: str, is_keywords: bool) -> str:
    if is_keywords:
        return f"seed-1, keywords: {', '.join(parse_keywords(text))}"
    return f"seed-1, a document of {len(text.split())} words"


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
