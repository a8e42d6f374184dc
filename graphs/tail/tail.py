"""The end of a graph that writes records, the same for all of them.

gate (─► checks) ─► score (─► approve) ─► admit | reject

The gate measures a draft once and keeps its verdict in the state. Admission alone measures novelty
again, under its lock: between the gate and there another chain may have admitted something close.
A refusal goes where the graph says: back to its conductor, or to `reject`.
"""

from dataclasses import replace
from typing import Any, Generic, Literal

from langgraph.graph import StateGraph
from langgraph.runtime import Runtime

from metasynth.blocking import brief
from metasynth.graphs.admission.check import run_checks
from metasynth.graphs.admission.draft import Verdict
from metasynth.graphs.run.nodes import Command, Targets, add_node, destinations
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.workspace import RunContext, Source, Workspace
from metasynth.records.record import Record

from .approval import CODE, NO_NOTE, NOBODY, EditError, question_about, review_of
from .best_of_batch import hold
from .ending import Done, Ending, Refused, State, given_up, with_update
from .reasoning import reasoning_behind

_AGENTS = {"score": "student", "approve": "person"}


class Tail(Generic[State, Refused, Done]):
    """The nodes of the end of a graph.

    Args:
        source: Gives the workspace.
        ending: What the graph has of its own.
    """

    def __init__(self, source: Source, ending: Ending[State, Refused, Done]) -> None:
        self._source = source
        self._ending = ending

    def add_to(self, graph: StateGraph[Any, Any, Any, Any]) -> None:
        """Add the nodes that the graph does not have yet, each with the edges of its type."""
        ending = self._ending
        targets: Targets = {"Refused": destinations(ending.refuse), "Done": (str(ending.done),)}
        for name in ("gate", "checks", "score", "approve", "admit", "reject"):
            if name not in graph.nodes:
                options = {"metadata": {"agent": _AGENTS[name]}} if name in _AGENTS else {}
                add_node(graph, name, getattr(self, name), targets=targets, **options)
        graph.add_edge("reject", ending.done)

    async def gate(
        self, state: State, runtime: Runtime[RunContext]
    ) -> Command[Literal["checks", "score"] | Refused]:
        """Measure the draft."""
        workspace = await self._source(runtime.context)
        verdict = await self._ending.judge(workspace, state)
        measured = {"verdict": verdict.dump()}
        if verdict.passed:
            return Command(update=measured, goto=after_gate(workspace))
        return with_update(self._ending.refuse(workspace, state, verdict), measured)

    async def checks(
        self, state: State, runtime: Runtime[RunContext]
    ) -> Command[Literal["score"] | Refused]:
        """Have the checks that the run file names look at the record."""
        workspace = await self._source(runtime.context)
        record = await self._record(workspace, state)
        verdict = await run_checks(workspace.config.gate.checks, record)
        if not verdict.passed:
            return self._ending.refuse(workspace, state, verdict)
        return Command(goto="score")

    async def score(
        self, state: State, runtime: Runtime[RunContext]
    ) -> Command[Literal["approve", "admit"] | Refused]:
        """Ask the student, where it has a say."""
        workspace = await self._source(runtime.context)
        if workspace.screen.has_say:  # a record is made for it alone, with what the ledger counts
            verdict = await workspace.screen.judge(await self._record(workspace, state))
            if not verdict.passed:
                return self._ending.refuse(workspace, state, verdict)
        return Command(goto="approve" if workspace.config.review.ask else "admit")

    async def approve(
        self, state: State, runtime: Runtime[RunContext]
    ) -> Command[Literal["admit", "approve", "reject"] | Refused]:
        """Ask a person, who may accept, edit or reject, or send back where a conductor wrote."""
        workspace = await self._source(runtime.context)
        ending, seen = self._ending, _values(state)
        record = await self._record(workspace, state)
        question = question_about(record, seen.get("edit") or {}, sends_back=ending.sends_back)
        decision = await ending.ask(workspace, question)
        by = workspace.config.review.by
        mark = {"decision": decision.decision, "by": by, "note": decision.note}
        done: dict[str, Any] = {"review": mark, "edit": {}}
        verdict = Verdict(CODE, decision.note or NO_NOTE)
        if decision.decision == "accept":
            return Command(update=done, goto="admit")
        if decision.decision == "edit":
            return await self._take_edit(workspace, state, decision, done)
        if decision.decision == "reject":
            return with_update(given_up(verdict), done)
        if not ending.sends_back:
            return Command(update={"edit": {"refused": NOBODY}}, goto="approve")
        return with_update(ending.refuse(workspace, state, verdict), done)

    async def admit(self, state: State, runtime: Runtime[RunContext]) -> Command[Refused | Done]:
        """Enter the corpus, if the draft is still new; what the student chooses from waits."""
        workspace = await self._source(runtime.context)
        ending = self._ending
        record, draft = await self._record(workspace, state), ending.draft(state)
        if await hold(workspace, record, draft):
            return Command(update={"outcome": "held", "reason": ""}, goto=ending.done)
        verdict = await workspace.admission.admit(record, draft)
        if not verdict.passed:
            measured = replace(verdict, checker=record.checker)
            refused = ending.refuse(workspace, state, verdict)
            return with_update(refused, {"verdict": measured.dump()})
        await ending.ended(workspace, accepted=True)
        return Command(update={"outcome": "accepted", "reason": ""}, goto=ending.done)

    async def reject(self, state: State, runtime: Runtime[RunContext]) -> dict[str, Any]:
        """Keep what was written, with the reason."""
        workspace = await self._source(runtime.context)
        record = await self._record(workspace, state, reason=_values(state)["reason"])
        await workspace.admission.reject(record)
        await self._ending.ended(workspace, accepted=False)
        return {"outcome": "rejected"}

    async def _take_edit(
        self, workspace: Workspace, state: State, decision: ReviewDecision, done: dict[str, Any]
    ) -> Command[Literal["admit", "approve"]]:
        """Measure the edited text; where it does not pass, ask again and say why.

        What is not sound or not new does not enter the corpus, whoever wrote it.
        """
        try:
            update = self._ending.edited(state, decision)
        except EditError as error:
            return _asked_again(decision, str(error))
        after: Any = {**_values(state), **update}
        verdict = await self._ending.judge(workspace, after)
        update["verdict"] = after["verdict"] = verdict.dump()
        record = await self._record(workspace, after)
        if verdict.passed:
            verdict = await run_checks(workspace.config.gate.checks, record)
        if verdict.passed:
            verdict = await workspace.screen.judge(record)
        if not verdict.passed:
            return _asked_again(decision, verdict.reason)
        return Command(update={**update, **done}, goto="admit")

    async def _record(
        self, workspace: Workspace, state: State, reason: str | None = None
    ) -> Record:
        """The record with all that was found out about it."""
        return await brief(self._recorded, workspace, state, reason)

    def _recorded(self, workspace: Workspace, state: State, reason: str | None) -> Record:
        record = self._ending.record(workspace, state, rejected=reason is not None)
        seen = _values(state)
        verdict = Verdict.load(seen.get("verdict"))
        calls = workspace.ledger.calls_of(record.id)
        update = {
            "reasoning": reasoning_behind(record, calls),
            "novelty": verdict.novelty,
            "checker": verdict.checker,
            "refusals": list(seen.get("refusals", [])),
            "review": review_of(seen, reason),
            "reason": reason,
        }
        return workspace.screen.stamped(record.model_copy(update=update))


def after_gate(workspace: Workspace) -> Literal["checks", "score"]:
    """The node that follows when the gate has nothing against a draft."""
    return "checks" if workspace.config.gate.checks else "score"


def _values(state: Any) -> dict[str, Any]:
    """The state as what it is; which keys there are is its graph's matter."""
    return state  # type: ignore[no-any-return]


def _asked_again(decision: ReviewDecision, refused: str) -> Command[Literal["approve"]]:
    edit = decision.model_dump(mode="json", include={"text", "messages"}, exclude_none=True)
    return Command(update={"edit": {**edit, "refused": refused}}, goto="approve")
