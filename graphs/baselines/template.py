"""The baseline: one call a record from a fixed template, with the same gate and corpus.

seed ─► write ─► gate ─► score (─► approve) ─► admit | reject

Where all candidates of a call are taken, each is a record of its own: those after the first start
from what the first has kept, make the same call, and the ledger answers it.
"""

import asyncio
import functools
import random
from collections.abc import Mapping
from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from metasynth.errors import EmptyAnswerError, MetaSynthError, RefusedPromptError
from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.document.briefing import least_used_genres
from metasynth.graphs.run.nodes import END, Command, add_node
from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.run.state import DocumentInput, DocumentOutput, TemplateState
from metasynth.graphs.tail.approval import text_of
from metasynth.graphs.tail.ending import Ending, generation, given_up, with_update
from metasynth.graphs.tail.tail import Tail
from metasynth.graphs.workspace import RunContext, Source, Workspace
from metasynth.randomness import generator
from metasynth.records.record import Record
from metasynth.text.words import excerpt

from .exemplars import Shelf, Shown
from .template_prompts import read_document, template_messages, uses_seed

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
    Tail(source, TemplateEnding()).add_to(graph)
    graph.add_edge(START, "seed")
    graph.add_edge("seed", "write")
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def seed(self, state: DocumentInput, runtime: Runtime[RunContext]) -> TemplateState:
        """Choose what the record starts from and what is shown beside the prompt."""
        workspace = await self._source(runtime.context)
        number, record_id = workspace.place_of(state)
        begun = TemplateState(record_id=record_id, chain=state.chain, number=number)
        choose = functools.partial(_start, workspace, begun)
        start = await workspace.begun(state.chain, record_id, choose)
        return {**begun, **start}

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
        except (RefusedPromptError, EmptyAnswerError) as error:  # another seed's prompt may pass
            nothing = {"text": "", "cut": False, "asked": False}
            return with_update(given_up(Verdict("no_answer", error.message)), nothing)
        answer = read_document(workspace.config.template, reply, place=place, rng=rng)
        asked = uses_seed(workspace, _shown(state))
        update = {"text": answer.text, "cut": answer.cut, "asked": asked}
        if answer.problem:
            return with_update(given_up(Verdict("unparsed", answer.problem)), update)
        return Command(update=update, goto="gate")


async def _start(workspace: Workspace, begun: TemplateState) -> TemplateState:
    """Seed, genre and what is shown, for a record that has begun just now."""
    chain, number = begun["chain"], begun["number"]
    if (number - 1) % _taken(workspace):
        return await asyncio.to_thread(_as_the_first, workspace, begun)
    seed = await workspace.seeds.pick(chain)
    genres = least_used_genres(workspace, chain, most=1)
    rng = generator(workspace.config.random_seed, "shown", chain, number)
    return TemplateState(
        seed={"id": seed.id, "text": seed.text, "keywords": list(seed.keywords)},
        genre=genres[0] if genres else "",
        shown=(await _drawn(_shelf(workspace), rng))._asdict(),
    )


async def _drawn(shelf: Shelf, rng: random.Random) -> Shown:
    if not shelf.reads_corpus:
        return shelf.draw(rng)
    return await asyncio.to_thread(shelf.draw, rng)


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
    waiting = workspace.screen.room.find(id_)
    first = waiting.record if waiting is not None else workspace.corpus.find(id_)
    seed = workspace.seeds.find(first.seed_ids[0]) if first is not None else None
    if first is None or seed is None:
        raise MetaSynthError(
            f"{id_}: the record whose call this one shares is gone", code="no_record"
        )
    workspace.seeds.remember(chain, seed.id)
    return TemplateState(
        seed={"id": seed.id, "text": seed.text, "keywords": list(seed.keywords)},
        genre=first.genre,
        shown=_shelf(workspace).by_ids(first.parent_ids)._asdict(),
    )


class TemplateEnding(Ending[TemplateState, Literal["reject"], Literal["__end__"]]):
    """A refused document is rejected: a template has no second try."""

    done = END

    def draft(self, state: TemplateState) -> Draft:
        """The document; its beginning stands for a summary."""
        return Draft(
            text=state["text"],
            summary=excerpt(state["text"], _SUMMARY_WORDS),
            topic="",
            seed_set=tuple(state["seed"]["keywords"]) if state["asked"] else (),
            cut=state["cut"],
        )

    def record(self, workspace: Workspace, state: TemplateState, *, rejected: bool) -> Record:  # noqa: ARG002
        """The record of the document."""
        draft = self.draft(state)
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
            generation=generation(workspace, state["record_id"]),
        )

    async def judge(self, workspace: Workspace, state: TemplateState) -> Verdict:
        """What the gate says of a document without summary and label."""
        return await workspace.gate.judge(self.draft(state), needs_summary=False)

    def refuse(
        self,
        workspace: Workspace,  # noqa: ARG002
        state: TemplateState,  # noqa: ARG002
        verdict: Verdict,
    ) -> Command[Literal["reject"]]:
        """Give the document up."""
        return given_up(verdict)

    def edited(self, state: TemplateState, decision: ReviewDecision) -> dict[str, Any]:  # noqa: ARG002
        """The person's text."""
        return {"text": text_of(decision), "cut": False}
