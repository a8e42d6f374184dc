"""The conductor that evolves instructions from documents: its prompt and its brief."""

import hashlib
from collections.abc import Mapping, Sequence

from langchain_core.messages import HumanMessage, SystemMessage

from metasynth.agents.messages import Attachment, instruction_message, one_line
from metasynth.agents.roles.role import Role

from .digest import Digest
from .templates import prompt_source, prompt_template
from .tools import instruct_schemas

INSTRUCT_BRIEF = "Write one new instruction."
INSTRUCT_NUDGE = "Act through a tool: consult, submit or give_up."


def instruct_prompt(
    variables: Mapping[str, object], roles: Sequence[Role], *, tries: int
) -> SystemMessage:
    """The system message: the same for every record of a run, so that endpoints can cache it."""
    template = prompt_template("instruct_conductor.jinja")
    return SystemMessage(template.render(**variables, roles=roles, tries=tries).strip())


def instruct_brief(document: str, digest: Digest, asked: Sequence[str]) -> HumanMessage:
    """The human message that opens a record's conversation.

    Args:
        document: A line about the document, which is called `document-1`.
        digest: What is known of the instructions written before.
        asked: Those that this document has already; bounded by whoever fills it.
    """
    text = prompt_template("instruct_brief.jinja").render(
        document=one_line(document, most_words=70),
        asked=[one_line(line, most_words=40) for line in asked],
        count=digest.count,
        topics=one_line(digest.topics, most_words=80),
        personas=[one_line(persona, most_words=10) for persona in digest.personas],
        neighbours=[one_line(line, most_words=45) for line in digest.neighbours],
        genres=digest.genres,
    )
    attachments = [Attachment("document-1", "document", "document-1")]
    if asked or digest.neighbours:
        attachments.append(Attachment("neighbours", "neighbours", "neighbours"))
    if digest.genres:
        attachments.append(Attachment("forms", "forms", ", ".join(digest.genres)))
    return instruction_message(INSTRUCT_BRIEF, attachments, text=text.strip())


def instruct_prompt_version() -> str:
    """A short hash of the conductor's templates and tools."""
    names = ("instruct_conductor.jinja", "instruct_brief.jinja")
    parts = [*map(prompt_source, names), str(instruct_schemas())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
