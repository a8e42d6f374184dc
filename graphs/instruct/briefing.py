"""What the conductor of the instruct graph is told before it begins."""

from typing import Any

from langchain_core.messages import SystemMessage

from metasynth.agents.conductor.instructions import instruct_brief, instruct_prompt
from metasynth.graphs.document.artifacts import new_artifact
from metasynth.graphs.document.briefing import digest_for
from metasynth.graphs.run.state import DocumentInput
from metasynth.graphs.workspace import Workspace
from metasynth.records.documents import Document
from metasynth.text.words import count_words

from .state import InstructState

_ASKED_SHOWN = 6  # earlier instructions of the document that the conductor is told of


async def instruct_begun(workspace: Workspace, state: DocumentInput) -> InstructState:
    """The state with its document, and a brief on what was asked of it before."""
    chain = state.chain
    number, record_id = workspace.place_of(state)
    seed = await workspace.seeds.pick(chain)
    asked = workspace.gate.likeness.asked_of(seed.id)[-_ASKED_SHOWN:]
    digest, neighbours = await digest_for(workspace, seed.text, chain, number)
    message = instruct_brief(_told(seed), digest, asked)
    message.id = f"{record_id}/brief"
    artifacts = {"document-1": new_artifact("document", seed.text, by="seeds")}
    if known := "\n".join([*asked, neighbours]).strip():
        artifacts["neighbours"] = new_artifact("neighbours", known, by="memory")
    return InstructState(
        record_id=record_id,
        chain=chain,
        number=number,
        seed={"id": seed.id, "text": seed.text, "keywords": []},
        topic=seed.topic if isinstance(seed, Document) else "",
        messages=[message],
        artifacts=artifacts,
        genres=list(digest.genres),
        personas=list(digest.personas),
        turns=0,
        tries=0,
    )


def instruct_system(workspace: Workspace) -> SystemMessage:
    """The conductor's system message, the same for all records of a run."""
    variables = workspace.variables()
    variables["max_words"] = workspace.config.instruct.max_question_words
    return instruct_prompt(
        variables, workspace.offered("instruct"), tries=workspace.config.gate.tries
    )


def _told(seed: Any) -> str:
    """A line about the document: what its record says of it, and how long it is."""
    line = f"document-1, {count_words(seed.text)} words"
    topic, summary = getattr(seed, "topic", ""), getattr(seed, "summary", "")
    line += f", topic: {topic}" if topic else ""
    return f"{line}. It says: {summary}" if summary else line
