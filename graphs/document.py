"""The document graph: a conductor directs experts until the gate takes a draft.

brief ─► conductor ⇄ consult / decide ─► gate ─► admit
             ▲                             │ (reason)
             └─────────────────────────────┘         bounded tries ─► reject
"""

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send
from pydantic import BaseModel, ValidationError

from metasynth.agents import (
    NUDGE,
    TOOLS,
    Attachment,
    Consult,
    Role,
    bounded,
    brief,
    conductor_prompt,
    estimated_tokens,
    expert_messages,
    one_line,
    parse_keywords,
    resolve_role,
    tool_schemas,
)
from metasynth.errors import ContextLimitError

from .briefing import digest_for
from .drafts import document_record, draft_of, next_ref
from .gate import Verdict
from .state import (
    Artifact,
    CallResult,
    Consultation,
    DocumentInput,
    DocumentOutput,
    DocumentState,
    Submission,
)
from .workspace import RunContext, Source, Workspace

GRAPH = "document"
_BODY_WORDS = 90  # of a note, an analysis or a summary in the conductor's view


def document_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """The graph, not yet compiled; `source` gives the workspace that its nodes work in."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        DocumentState,
        context_schema=RunContext,
        input_schema=DocumentInput,
        output_schema=DocumentOutput,
    )
    graph.add_node("brief", nodes.brief, input_schema=DocumentInput)
    graph.add_node(
        "conductor",
        nodes.conductor,
        metadata={"agent": "conductor"},
        destinations=("consult", "decide", "conductor", "reject"),
    )
    graph.add_node(
        "consult", nodes.consult, input_schema=Consultation, metadata={"agent": "expert"}
    )
    graph.add_node("decide", nodes.decide, destinations=("conductor", "gate", "reject"))
    graph.add_node("gate", nodes.gate, destinations=("admit", "conductor", "reject"))
    graph.add_node("admit", nodes.admit, destinations=(END, "conductor", "reject"))
    graph.add_node("reject", nodes.reject)
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "conductor")
    graph.add_edge("consult", "decide")
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
        digest, neighbours = await digest_for(workspace, seed.text, chain)
        shown = _seed_line(seed.text, bool(seed.keywords))
        message = brief(shown, digest)
        message.id = f"{record_id}/brief"
        artifacts = {"seed-1": _artifact("seed", seed.text, by="seeds")}
        if neighbours:
            artifacts["neighbours"] = _artifact("neighbours", neighbours, by="memory")
        return DocumentState(
            record_id=record_id,
            chain=chain,
            number=number,
            seed={"id": seed.id, "text": seed.text, "keywords": list(seed.keywords)},
            messages=[message],
            artifacts=artifacts,
            turns=0,
            tries=0,
        )

    async def conductor(self, state: DocumentState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Ask the conductor what to do next."""
        workspace = await self._source(runtime.context)
        limits = workspace.config.conductor
        turn = state["turns"] + 1
        if turn > limits.max_turns:
            return _lost(f"turns: no draft accepted within {limits.max_turns} turns")
        system = _system(workspace)
        messages = bounded([system, *state["messages"]], limits.max_prompt_tokens)
        if estimated_tokens(messages) > limits.max_prompt_tokens:
            return _lost(f"prompt: longer than {limits.max_prompt_tokens} tokens")
        reply = await workspace.caller.call(
            workspace.voices.conductor,
            messages,
            chain=state["chain"],
            step=f"{state['number']}/{turn}",
            agent="conductor",
            record_id=state["record_id"],
            tools=tool_schemas(),
        )
        reply = _normalised(reply, state["record_id"], turn, limits.max_calls_per_turn)
        if not reply.tool_calls:
            nudge = HumanMessage(NUDGE, id=f"{state['record_id']}/{turn}/nudge")
            return Command(update={"messages": [reply, nudge], "turns": turn}, goto="conductor")
        consultations, results = _prepare(workspace, state, reply, turn)
        update = {"messages": [reply], "turns": turn, "results": results}
        sends = [Send("consult", consultation) for consultation in consultations]
        return Command(update=update, goto=sends or "decide")

    async def consult(self, state: Consultation, runtime: Runtime[RunContext]) -> DocumentState:
        """Ask one expert; it sees its role, the instruction and what is attached."""
        workspace = await self._source(runtime.context)
        call = Consult.model_validate(state["call"])
        role = resolve_role(call, workspace.roles, graph=GRAPH)
        assert isinstance(role, Role)  # checked before the consultation was sent
        attachments = [
            Attachment(ref, artifact["kind"], artifact["text"])
            for ref, artifact in state["attached"].items()
        ]
        variables = workspace.variables(persona=call.persona, genre=call.genre)
        try:
            reply = await workspace.caller.call(
                workspace.voices.for_role(role),
                expert_messages(role, call.instruction, attachments, variables),
                chain=state["chain"],
                step=state["step"],
                agent=call.expert,
                record_id=state["record_id"],
                settings={"temperature": role.temperature, "max_tokens": role.max_tokens},
            )
        except ContextLimitError as error:
            return _answered(state, f"error: {one_line(error.message, most_words=40)}")
        text = str(reply.text).strip()
        if not text and (refusal := reply.additional_kwargs.get("refusal")):
            declined = one_line(str(refusal), most_words=30)
            return _answered(state, f"error: {call.expert} declined: {declined}")
        if not text:
            return _answered(state, f"error: {call.expert} gave an empty answer; ask again")
        produced = call.produces if role.name == "invented" and call.produces else role.produces
        if produced == "keywords":
            text = ", ".join(parse_keywords(text))
        artifact = _artifact(produced, text, by=call.expert, about=state["about"])
        artifact["cut"] = reply.response_metadata.get("finish_reason") == "length"
        update = _answered(state, _result_text(state["ref"], artifact))
        update["artifacts"] = {state["ref"]: artifact}
        update["experts"] = [call.expert]
        if produced == "draft":
            update |= {k: v for k, v in (("persona", call.persona), ("genre", call.genre)) if v}  # type: ignore[typeddict-item]
        return update

    async def decide(self, state: DocumentState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Answer the conductor's calls in their order, and do what they decide."""
        workspace = await self._source(runtime.context)
        decision = _Decision(workspace, state)
        reply = next(m for m in reversed(state["messages"]) if isinstance(m, AIMessage))
        for call in reply.tool_calls:
            decision.take(str(call["id"]), call["name"], call["args"])
        if decision.seed_set is not None:
            workspace.memory.claim(state["chain"], ", ".join(decision.seed_set))
        return decision.command()

    async def gate(self, state: DocumentState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Measure the submitted draft."""
        workspace = await self._source(runtime.context)
        draft = draft_of(state, state["submission"]["draft"])
        verdict = await workspace.gate.judge(draft)
        if verdict.passed:
            return Command(goto="admit")
        return _refused(workspace, state, verdict)

    async def admit(self, state: DocumentState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Enter the corpus, if the draft is still new."""
        workspace = await self._source(runtime.context)
        draft = draft_of(state, state["submission"]["draft"])
        checker = workspace.gate.sound(draft).checker
        record = document_record(workspace, state, checker=checker)
        verdict = await workspace.admission.admit(record, draft)
        if not verdict.passed:
            return _refused(workspace, state, verdict)
        return Command(update={"outcome": "accepted", "reason": ""}, goto=END)

    async def reject(self, state: DocumentState, runtime: Runtime[RunContext]) -> DocumentState:
        """Keep what was written, with the reason."""
        workspace = await self._source(runtime.context)
        await workspace.admission.reject(document_record(workspace, state, reason=state["reason"]))
        return DocumentState(outcome="rejected")


class _Decision:
    """What the calls of one turn come to."""

    def __init__(self, workspace: Workspace, state: DocumentState) -> None:
        self._workspace = workspace
        self._state = state
        self._replies: list[ToolMessage] = []
        self._submission: Submission | None = None
        self._given_up: str | None = None
        self.seed_set: list[str] | None = None

    def take(self, call_id: str, name: str, args: dict[str, Any]) -> None:
        """Handle one call: consultations were made already and lie in the results."""
        results = self._state.get("results", {})
        if call_id in results:
            self._reply(call_id, results[call_id]["text"])
        elif name == "set_seeds":
            self._set_seeds(call_id, str(args["source"]))
        elif name == "submit":
            self._submit(call_id, str(args["draft"]))
        else:
            self._given_up = one_line(str(args["reason"]), most_words=40)
            self._reply(call_id, "given up")

    def command(self) -> Command[Any]:
        """Where the graph goes from here."""
        update: dict[str, Any] = {"messages": self._replies}
        if self.seed_set is not None:
            update["seed_set"] = self.seed_set
        if self._submission is not None:
            return Command(update={**update, "submission": self._submission}, goto="gate")
        if self._given_up is not None:
            reason = _final_reason(self._state, f"given_up: {self._given_up}")
            return Command(update={**update, "reason": reason}, goto="reject")
        return Command(update=update, goto="conductor")

    def _set_seeds(self, call_id: str, source: str) -> None:
        artifact = self._state["artifacts"].get(source)
        if artifact is None or artifact["kind"] not in ("keywords", "seed"):
            self._reply(call_id, f"error: {one_line(source, most_words=3)} is no keyword list")
            return
        keywords = parse_keywords(artifact["text"])
        if artifact["kind"] == "seed" and not self._state["seed"]["keywords"]:
            self._reply(call_id, "error: the seed is a document: have its keywords extracted first")
            return
        self.seed_set = keywords
        self._reply(call_id, f"seed set: {', '.join(keywords)}")

    def _submit(self, call_id: str, ref: str) -> None:
        artifact = self._state["artifacts"].get(ref)
        if self._submission is not None:
            self._reply(call_id, "error: one draft at a time")
        elif artifact is None or artifact["kind"] != "draft":
            self._reply(call_id, f"error: {one_line(ref, most_words=3)} is no draft")
        else:
            # the gate answers this call, whatever it says
            self._submission = Submission(draft=ref, call_id=call_id)

    def _reply(self, call_id: str, text: str) -> None:
        self._replies.append(ToolMessage(text, tool_call_id=call_id, id=f"{call_id}/answer"))


def _prepare(
    workspace: Workspace, state: DocumentState, reply: AIMessage, turn: int
) -> tuple[list[Consultation], dict[str, CallResult]]:
    """The consultations of a turn, and the answers to calls that are wrong."""
    consultations: list[Consultation] = []
    results: dict[str, CallResult] = {}
    reserved: set[str] = set()
    for index, call in enumerate(reply.tool_calls):
        problem, parsed = _parsed(call["name"], call["args"])
        if problem:
            results[str(call["id"])] = CallResult(text=f"error: {problem}")
        elif isinstance(parsed, Consult):
            ready = _consultation(workspace, state, parsed, reserved)
            if isinstance(ready, str):
                results[str(call["id"])] = CallResult(text=f"error: {ready}")
            else:
                ready["call_id"] = str(call["id"])
                ready["step"] = f"{state['number']}/{turn}.{index}"
                consultations.append(ready)
    return consultations, results


def _parsed(name: str, args: dict[str, Any]) -> tuple[str, BaseModel | None]:
    tool = TOOLS.get(name)
    if tool is None:
        return f"no tool is called {one_line(name, most_words=3)}; {NUDGE}", None
    try:
        return "", tool.model_validate(args)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return one_line(f"{name}: {where}: {first['msg']}", most_words=30), None


def _consultation(
    workspace: Workspace, state: DocumentState, call: Consult, reserved: set[str]
) -> Consultation | str:
    """The call made ready to be sent, or what is wrong with it."""
    role = resolve_role(call, workspace.roles, graph=GRAPH)
    if isinstance(role, str):
        return role
    artifacts = state["artifacts"]
    for ref in call.attach:
        if ref not in artifacts:
            return f"nothing is called {one_line(ref, most_words=3)}"
        kind = artifacts[ref]["kind"]
        if role.receives and kind not in role.receives:
            return f"{call.expert} takes {', '.join(role.receives)}, not {kind}"
    drafts = [ref for ref in call.attach if artifacts[ref]["kind"] == "draft"]
    produced = call.produces if role.name == "invented" and call.produces else role.produces
    return Consultation(
        record_id=state["record_id"],
        chain=state["chain"],
        step="",
        call_id="",
        call=call.model_dump(),
        ref=next_ref(produced, artifacts, reserved),
        about=drafts[-1] if drafts else "",
        attached={ref: artifacts[ref] for ref in call.attach},
    )


def _normalised(reply: AIMessage, record_id: str, turn: int, most: int) -> AIMessage:
    """The reply with ids of ours, so that a repeated or missing id of a server does no harm.

    A call whose arguments were not JSON becomes a call that is answered with what is wrong.
    """
    broken = [
        {"name": call.get("name") or "?", "args": {}, "type": "tool_call"}
        for call in reply.invalid_tool_calls
    ]
    calls = [
        {**call, "id": f"{record_id}/{turn}.{index}"}
        for index, call in enumerate([*reply.tool_calls, *broken][:most])
    ]
    return AIMessage(content="", tool_calls=calls, id=f"{record_id}/{turn}")


def _refused(workspace: Workspace, state: DocumentState, verdict: Verdict) -> Command[Any]:
    """Tell the conductor why, or give the record up when its tries are used."""
    ref, call_id = state["submission"]["draft"], state["submission"]["call_id"]
    tries = state["tries"] + 1
    text = f"refused {ref}: {verdict.code}\n{one_line(verdict.detail, most_words=70)}"
    update: dict[str, Any] = {
        "messages": [ToolMessage(text, tool_call_id=call_id, id=f"{call_id}/answer")],
        "refusals": [str(verdict.code)],
        "tries": tries,
    }
    if verdict.nearest_summary:
        near = _artifact("neighbours", verdict.nearest_summary, by="gate")
        update["artifacts"] = {"neighbours": near}
    if tries >= workspace.config.gate.tries:
        return Command(update={**update, "reason": verdict.reason}, goto="reject")
    return Command(update=update, goto="conductor")


def _final_reason(state: DocumentState, reason: str) -> str:
    refusals = state.get("refusals", [])
    return f"{reason} (after {', '.join(refusals)})" if refusals else reason


def _lost(reason: str) -> Command[Any]:
    return Command(update={"reason": reason}, goto="reject")


def _artifact(kind: str, text: str, *, by: str, about: str = "") -> Artifact:
    return Artifact(kind=kind, text=text, by=by, about=about, cut=False)


def _answered(state: Consultation, text: str) -> DocumentState:
    return DocumentState(results={state["call_id"]: CallResult(text=text)})


def _result_text(ref: str, artifact: Artifact) -> str:
    """What the conductor reads: the reference, and of anything but a draft the beginning."""
    first = f"{ref} by {one_line(artifact['by'], most_words=5)}"
    if artifact["kind"] == "draft":
        cut = ", cut at the token limit" if artifact["cut"] else ""
        return f"{first}\n{len(artifact['text'].split())} words{cut}"
    return f"{first}\n{one_line(artifact['text'], most_words=_BODY_WORDS)}"


def _seed_line(text: str, is_keywords: bool) -> str:
    if is_keywords:
        return f"seed-1, keywords: {', '.join(parse_keywords(text))}"
    return f"seed-1, a document of {len(text.split())} words"


def _system(workspace: Workspace) -> Any:
    return conductor_prompt(
        workspace.variables(),
        workspace.roles.offered_by(GRAPH),
        tries=workspace.config.gate.tries,
        min_words=workspace.config.gate.min_words,
    )
