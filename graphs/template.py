"""The baseline: one call a record from a fixed template, with the same gate and corpus.

seed ─► write ─► gate ─► admit | reject
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from metasynth.agents import render_template
from metasynth.records import CheckerResult, Novelty, Record
from metasynth.text import excerpt

from .briefing import least_used_genres
from .drafts import generation
from .gate import Draft
from .state import DocumentInput, DocumentOutput, TemplateState
from .workspace import RunContext, Source, Workspace

TEMPLATE_VARIABLES: Mapping[str, object] = {
    "domain": "",
    "description": "",
    "language": "en",
    "persona": "",
    "genre": "",
    "max_words": 1,
    "keywords": ["a"],
    "seed": "",
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
    graph.add_node("seed", nodes.seed, input_schema=DocumentInput)
    graph.add_node("write", nodes.write, metadata={"agent": "template"})
    graph.add_node("gate", nodes.gate, destinations=(END,))
    graph.add_edge(START, "seed")
    graph.add_edge("seed", "write")
    graph.add_edge("write", "gate")
    return graph


class _Nodes:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def seed(self, state: DocumentInput, runtime: Runtime[RunContext]) -> TemplateState:
        """Choose what the record starts from."""
        workspace = await self._source(runtime.context)
        seed = await workspace.seeds.pick(state.chain)
        genres = least_used_genres(workspace, state.chain, most=1)
        number = state.number if state.record_id else workspace.next_number(state.chain)
        return TemplateState(
            record_id=state.record_id or workspace.record_id(state.chain, number),
            chain=state.chain,
            number=number,
            seed={"id": seed.id, "text": seed.text, "keywords": list(seed.keywords)},
            genre=genres[0] if genres else "",
        )

    async def write(self, state: TemplateState, runtime: Runtime[RunContext]) -> TemplateState:
        """Fill the template and ask once."""
        workspace = await self._source(runtime.context)
        seed = state["seed"]
        prompt = render_template(
            workspace.config.template.prompt,
            {
                **workspace.variables(genre=state["genre"]),
                "keywords": seed["keywords"] or [seed["text"]],
                "seed": seed["text"],
            },
        )
        reply = await workspace.caller.call(
            workspace.voices.experts,
            [HumanMessage(prompt)],
            chain=state["chain"],
            step=str(state["number"]),
            agent="template",
            record_id=state["record_id"],
        )
        cut = reply.response_metadata.get("finish_reason") == "length"
        return TemplateState(text=str(reply.text).strip(), cut=cut)

    async def gate(self, state: TemplateState, runtime: Runtime[RunContext]) -> Command[Any]:
        """Admit the document, or keep it with the reason why not."""
        workspace = await self._source(runtime.context)
        draft = Draft(
            text=state["text"],
            summary=excerpt(state["text"], _SUMMARY_WORDS),
            topic="",
            seed_set=tuple(state["seed"]["keywords"]),
            cut=state["cut"],
        )
        verdict = await workspace.gate.judge(draft, needs_summary=False)
        record = await asyncio.to_thread(
            _record, workspace, state, draft, verdict.novelty, verdict.checker
        )
        if verdict.passed:
            verdict = await workspace.admission.admit(record, draft)
        if verdict.passed:
            return Command(update={"outcome": "accepted", "reason": ""}, goto=END)
        await workspace.admission.reject(
            record.model_copy(update={"reason": verdict.reason, "refusals": [str(verdict.code)]})
        )
        return Command(update={"outcome": "rejected", "reason": verdict.reason}, goto=END)


def _record(
    workspace: Workspace,
    state: TemplateState,
    draft: Draft,
    novelty: Novelty | None,
    checker: CheckerResult | None,
) -> Record:
    return Record(
        id=state["record_id"],
        text=draft.text,
        domain=workspace.config.domain.name,
        genre=state["genre"],
        keywords=list(draft.seed_set),
        summary=draft.summary,
        seed_ids=[state["seed"]["id"]],
        experts=["template"],
        source="template",
        novelty=novelty,
        checker=checker,
        generation=generation(workspace, state["record_id"]),
    )
