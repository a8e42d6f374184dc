"""The baseline: one call a record from a fixed template, with the same gate and corpus.

seed ─► write ─► gate ─► score (─► approve) ─► admit | reject

Where all candidates of a call are taken, each is a record of its own: those after the first start
from what the first has kept, make the same call, and the ledger answers it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from metasynth.errors import MetaSynthError, RefusedPromptError
from metasynth.graphs.admission.gate import Draft, Verdict
from metasynth.graphs.approval import Answer, Approval, after_score, review_of, text_of
from metasynth.graphs.best_of_batch import hold, stamped
from metasynth.graphs.document.artifacts import generation
from metasynth.graphs.document.briefing import least_used_genres
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.run.state import DocumentInput, DocumentOutput, TemplateState
from metasynth.graphs.workspace import RunContext, Source, Workspace
from metasynth.randomness import generator
from metasynth.records.record import CheckerResult, Novelty, Record
from metasynth.text.words import excerpt

from .exemplars import Shelf, Shown
from .template_prompts import read_answer, template_messages, uses_seed

TEMPLATE_VARIABLES: Mapping[str, object] = {
    "domain": "",
    "description": "",
    "language": "en",
    "persona": "",
    "genre": "",
    "max_words": 1,
    "keywords": ["a"],
    "seed": "",
    "exemplars": ["a"],
    "earlier": ["a"],
}
"""What a template may mention, with values to try it on."""

_SUMMARY_WORDS = 40  # the template has no summarizer: its beginning stands for the document


def template_graph(source: Source) -> StateGraph[Any, Any, Any, Any]:
    """The graph, not yet compiled; `source` gives the workspace that its nodes work in."""
    nodes = _Nodes(source)
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        TemplateState,
        context_schema=RunContext,
        input_schema=DocumentInput,
        output_schema=DocumentOutput,
    )
    add_node(graph, "seed", nodes.seed, input_schema=DocumentInput)
    add_node(graph, "write", nodes.write, metadata={"agent": "template"})
    add_node(graph, "gate", nodes.gate)
    add_node(graph, "score", nodes.score, metadata={"agent": "student"})
    add_node(graph, "approve", nodes.approve, metadata={"agent": "person"})
    add_node(graph, "admit", nodes.admit)
    add_node(graph, "reject", nodes.reject)
    graph.add_edge(START, "seed")
    graph.add_edge("seed", "write")
    graph.add_edge("reject", END)
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def seed(self, state: DocumentInput, runtime: Runtime[RunContext]) -> TemplateState:
        """Choose what the record starts from and what is shown beside the prompt."""
        workspace = await self._source(runtime.context)
        number = state.number if state.record_id else workspace.next_number(state.chain)
        begun = TemplateState(
            record_id=state.record_id or workspace.record_id(state.chain, number),
            chain=state.chain,
            number=number,
        )
        if (number - 1) % _taken(workspace):
            return {**begun, **await asyncio.to_thread(_as_the_first, workspace, begun)}
        seed = await workspace.seeds.pick(state.chain)
        genres = least_used_genres(workspace, state.chain, most=1)
        rng = generator(workspace.config.random_seed, "shown", state.chain, number)
        shown = await asyncio.to_thread(_shelf(workspace).draw, rng)
        return {
            **begun,
            "seed": {"id": seed.id, "text": seed.text, "keywords": list(seed.keywords)},
            "genre": genres[0] if genres else "",
            "shown": shown._asdict(),
        }

    async def write(
        self, state: TemplateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["gate", "reject"]]:
        """Fill the template and ask once."""
        workspace = await self._source(runtime.context)
        place = (state["number"] - 1) % _taken(workspace)
        first = state["number"] - place
        rng = generator(workspace.config.random_seed, "template", state["chain"], first)
        try:
            reply = await workspace.caller.call(
                workspace.voices.experts,
                template_messages(workspace, state["seed"], state["genre"], _shown(state), rng),
                chain=state["chain"],
                step=str(first),
                agent="template",
                record_id=state["record_id"],
            )
        except RefusedPromptError as error:  # another seed's prompt may pass
            unanswered = _judged(Verdict("no_answer", error.message))
            nothing = TemplateState(text="", cut=False, asked=False)
            return Command(update={**nothing, **unanswered}, goto="reject")
        answer = read_answer(workspace.config.template, reply, place=place, rng=rng)
        update = TemplateState(
            text=answer.text, cut=answer.cut, asked=uses_seed(workspace, _shown(state))
        )
        if not answer.problem:
            return Command(update=update, goto="gate")
        verdict = Verdict("unparsed", answer.problem)
        return Command(update={**update, **_judged(verdict)}, goto="reject")

    async def gate(
        self, state: TemplateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["score", "reject"]]:
        """Measure the document."""
        workspace = await self._source(runtime.context)
        verdict = await _verdict(workspace, state)
        return Command(update=_judged(verdict), goto="score" if verdict.passed else "reject")

    async def score(
        self, state: TemplateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["approve", "admit", "reject"]]:
        """Ask the student, where it has a say."""
        workspace = await self._source(runtime.context)
        if workspace.screen is not None:
            verdict = await workspace.screen.judge(await _candidate(workspace, state))
            if not verdict.passed:
                return _given_up(state, verdict)
        return Command(goto=after_score(workspace))

    async def approve(
        self, state: TemplateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["admit", "approve", "reject"]]:
        """Ask a person, who may accept, edit or reject the document."""
        return await _APPROVAL(await self._source(runtime.context), state)

    async def admit(
        self, state: TemplateState, runtime: Runtime[RunContext]
    ) -> Command[Literal["reject", "__end__"]]:
        """Enter the corpus, if the document is still new; what the student chooses from waits."""
        workspace = await self._source(runtime.context)
        record = await _candidate(workspace, state)
        if await hold(workspace, record, _draft(state)):
            return Command(update={"outcome": "held"}, goto=END)
        verdict = await workspace.admission.admit(record, _draft(state))
        if verdict.passed:
            return Command(update={"outcome": "accepted"}, goto=END)
        return Command(update={**_judged(verdict), "checker": state["checker"]}, goto="reject")

    async def reject(self, state: TemplateState, runtime: Runtime[RunContext]) -> TemplateState:
        """Keep the document with the reason why not."""
        workspace = await self._source(runtime.context)
        record = await _candidate(workspace, state)
        await workspace.admission.reject(
            record.model_copy(
                update={
                    "reason": state["reason"],
                    "refusals": [state["code"]],
                    "review": review_of(state, state["reason"]),
                }
            )
        )
        return TemplateState(outcome="rejected")


def _taken(workspace: Workspace) -> int:
    """How many records one call makes."""
    config = workspace.config.template
    return config.candidates if config.take == "all" else 1


def _shelf(workspace: Workspace) -> Shelf:
    return Shelf(workspace.config.template, workspace.exemplars, workspace.corpus)


def _shown(state: TemplateState) -> Shown:
    return Shown(**state["shown"])


def _as_the_first(workspace: Workspace, begun: TemplateState) -> TemplateState:
    """What the first record of the same call started from, read from that record."""
    number, chain = begun["number"], begun["chain"]
    id_ = workspace.record_id(chain, number - (number - 1) % _taken(workspace))
    room = workspace.screen.room if workspace.screen is not None else None
    waiting = room.find(id_) if room is not None else None
    first = waiting.record if waiting is not None else workspace.corpus.find(id_)
    seed = workspace.seeds.find(first.seed_ids[0]) if first is not None else None
    if first is None or seed is None:
        raise MetaSynthError(f"{id_}: the record whose call this one shares is gone")
    workspace.seeds.remember(chain, seed.id)
    return TemplateState(
        seed={"id": seed.id, "text": seed.text, "keywords": list(seed.keywords)},
        genre=first.genre,
        shown=_shelf(workspace).by_ids(first.parent_ids)._asdict(),
    )


def _draft(state: TemplateState) -> Draft:
    return Draft(
        text=state["text"],
        summary=excerpt(state["text"], _SUMMARY_WORDS),
        topic="",
        seed_set=tuple(state["seed"]["keywords"]) if state["asked"] else (),
        cut=state["cut"],
    )


def _judged(verdict: Verdict) -> TemplateState:
    return TemplateState(
        novelty=verdict.novelty.model_dump() if verdict.novelty else None,
        checker=verdict.checker.model_dump() if verdict.checker else None,
        code=verdict.code or "",
        reason=verdict.reason,
    )


async def _candidate(workspace: Workspace, state: TemplateState) -> Record:
    return stamped(workspace, await asyncio.to_thread(_record, workspace, state))


async def _verdict(workspace: Workspace, state: TemplateState) -> Verdict:
    return await workspace.gate.judge(_draft(state), needs_summary=False)


def _given_up(_state: TemplateState, verdict: Verdict) -> Command[Literal["reject"]]:
    update = TemplateState(code=str(verdict.code), reason=verdict.reason)
    return Command(update=update, goto="reject")


def _edited(_state: TemplateState, answer: Answer) -> dict[str, Any]:
    return {"text": text_of(answer), "cut": False}


_APPROVAL: Approval[Literal["reject"]] = Approval(
    record=_candidate,
    draft=_draft,
    edited=_edited,
    judge=_verdict,
    judged=_judged,
    reject=_given_up,
)


def _record(workspace: Workspace, state: TemplateState) -> Record:
    draft, novelty, checker = _draft(state), state["novelty"], state["checker"]
    return Record(
        id=state["record_id"],
        text=draft.text,
        domain=workspace.config.domain.name,
        genre=state["genre"] if state["asked"] else "",
        keywords=list(draft.seed_set),
        summary=draft.summary,
        seed_ids=[state["seed"]["id"]] if state["asked"] else [],
        parent_ids=_shown(state).ids,
        experts=["template"],
        source="template",
        novelty=Novelty.model_validate(novelty) if novelty else None,
        checker=CheckerResult.model_validate(checker) if checker else None,
        review=review_of(state),
        generation=generation(workspace, state["record_id"]),
    )
