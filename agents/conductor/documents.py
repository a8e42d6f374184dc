"""The conductor that writes documents: its prompt and its brief."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import HumanMessage, SystemMessage

from metasynth.agents.messages import Attachment, instruction_message, one_line
from metasynth.agents.roles.role import Role

from .digest import Digest
from .templates import prompt_source, prompt_template
from .tools import tool_schemas

BRIEF = "Write one new document."
NUDGE = "Act through a tool: consult, set_seeds, submit or give_up."


@dataclass(frozen=True)
class SamplingOffer:
    """That the conductor may draw drafts itself: so many at once, so often for one record."""

    most: int
    uses: int


def conductor_prompt(
    variables: Mapping[str, object],
    roles: Sequence[Role],
    *,
    tries: int,
    min_words: int,
    sampling: SamplingOffer | None = None,
    screened: bool = False,
    personas: bool = True,
) -> SystemMessage:
    """The system message: the same for every record of a run, so that endpoints can cache it.

    Args:
        variables: What prompts may mention.
        roles: The experts offered.
        tries: Drafts that may be refused before the record is lost.
        min_words: Of a document.
        sampling: The sampler, where there is one.
        screened: Whether a student scores what the gate has let pass, and may refuse it.
        personas: Whether experts write as the persona that the conductor names.
    """
    text = prompt_template("conductor.jinja").render(
        **variables, roles=roles, tries=tries, min_words=min_words, personas=personas
    )
    parts = [text.strip()]
    if sampling is not None:
        offer = prompt_template("sampling.jinja").render(most=sampling.most, uses=sampling.uses)
        parts.append(offer.strip())
    if screened:
        parts.append(prompt_template("screening.jinja").render().strip())
    return SystemMessage("\n\n".join(parts))


def brief(seed: str, digest: Digest) -> HumanMessage:
    """The human message that opens a record's conversation."""
    text = prompt_template("brief.jinja").render(
        seed=seed,
        count=digest.count,
        topics=one_line(digest.topics, most_words=80),
        recent=[one_line(label, most_words=6) for label in digest.recent],
        personas=[one_line(persona, most_words=10) for persona in digest.personas],
        neighbours=[one_line(line, most_words=45) for line in digest.neighbours],
        claims=[one_line(claim, most_words=16) for claim in digest.claims],
        genres=digest.genres,
    )
    attachments = [Attachment("seed-1", "seed", "seed-1")]
    if digest.genres:
        attachments.append(Attachment("forms", "forms", ", ".join(digest.genres)))
    return instruction_message(BRIEF, attachments, text=text.strip())


def prompt_version(*, sampling: bool = False, screened: bool = False) -> str:
    """A short hash of the conductor's templates and tools."""
    parts = [prompt_source("conductor.jinja"), prompt_source("brief.jinja")]
    if sampling:
        parts.append(prompt_source("sampling.jinja"))
    if screened:
        parts.append(prompt_source("screening.jinja"))
    parts.append(str(tool_schemas(sampling=sampling)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
