"""The conductor: its prompt, its brief and the tools by which it decides."""

import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jinja2 import TemplateError, meta
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field

from metasynth.agents.roles.role import SANDBOX, Role
from metasynth.errors import ConfigError

from .messages import Attachment, instruct, one_line

BRIEF = "Write one new document."
NUDGE = "Act through a tool: consult, set_seeds, submit or give_up."


class Tool(BaseModel):
    """What a conductor may call; unknown arguments are errors."""

    model_config = ConfigDict(extra="forbid")


class Consult(Tool):
    """Ask one expert to do one thing; it sees only your instruction and what you attach."""

    expert: str = Field(max_length=60, description="name of an expert, or one that you invent")
    instruction: str = Field(min_length=1, max_length=1200, description="what the expert shall do")
    attach: list[str] = Field(
        default_factory=list, max_length=8, description="references such as draft-1 or seed-1"
    )
    persona: str = Field(default="", max_length=120, description="who the expert writes as")
    genre: str = Field(default="", max_length=80, description="the form of the document")
    produces: Literal["", "draft", "keywords", "summary", "topic", "analysis", "note"] = Field(
        default="", description="what an invented expert makes"
    )


class SetSeeds(Tool):
    """Settle the seed set that the document must fit."""

    source: str = Field(max_length=40, description="reference of a keyword list: keywords-1")


class Submit(Tool):
    """Hand a draft to the gate; it needs a summary and a topic label."""

    draft: str = Field(max_length=40, description="reference of the draft")


class GiveUp(Tool):
    """End this record without a document."""

    reason: str = Field(max_length=300)


class SampleSoftSRV(Tool):
    """Draw drafts from the sampler that was trained on this corpus's target."""

    n: int = Field(default=1, ge=1, le=16, description="how many drafts")
    near: str = Field(
        default="",
        max_length=200,
        description="what they shall be close to: a reference such as draft-1 or seed-1, or "
        "keywords; empty: anything",
    )


TOOLS: Mapping[str, type[Tool]] = {
    "consult": Consult,
    "set_seeds": SetSeeds,
    "submit": Submit,
    "give_up": GiveUp,
}


@dataclass(frozen=True)
class SamplingOffer:
    """That the conductor may draw drafts itself: so many at once, so often for one record."""

    most: int
    uses: int


def offered_tools(*, sampling: bool = False) -> Mapping[str, type[Tool]]:
    """The tools of a run: `sample_softsrv` is there only where there is something to sample."""
    return {**TOOLS, "sample_softsrv": SampleSoftSRV} if sampling else TOOLS


def tool_schemas(*, sampling: bool = False) -> list[dict[str, Any]]:
    """The tools in OpenAI's format, in the order in which they are offered."""
    return schemas_of(offered_tools(sampling=sampling))


def schemas_of(tools: Mapping[str, type[Tool]]) -> list[dict[str, Any]]:
    """Tools in OpenAI's format, under the names that they are offered by."""
    schemas = []
    for name, tool in tools.items():
        schema = convert_to_openai_tool(tool)
        schema["function"]["name"] = name
        schemas.append(schema)
    return schemas


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


@dataclass(frozen=True)
class Digest:
    """What the conductor is told of the memory; every list is bounded by whoever fills it.

    `count` is None where it is told nothing: then `genres` are any.
    """

    count: int | None = 0
    topics: str = ""
    recent: Sequence[str] = ()
    personas: Sequence[str] = ()
    neighbours: Sequence[str] = ()
    claims: Sequence[str] = ()
    genres: Sequence[str] = field(default=())


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
    return instruct(BRIEF, attachments, text=text.strip())


def bounded(messages: Sequence[BaseMessage], most_tokens: int) -> list[BaseMessage]:
    """The conversation within `most_tokens` (estimated at four bytes a token).

    The oldest tool results lose all but their first line, which names what they made; system
    message, brief and the conductor's own calls stay whole.
    """
    kept = list(messages)
    for index, message in enumerate(kept):
        if estimated_tokens(kept) <= most_tokens:
            break
        if isinstance(message, ToolMessage):
            first = str(message.content).partition("\n")[0]
            kept[index] = message.model_copy(update={"content": first})
    return kept


def estimated_tokens(messages: Sequence[BaseMessage]) -> int:
    """Tokens of a conversation at four bytes each, tool calls and message frames included."""
    size = 0
    for message in messages:
        parts = (str(message.content), str(getattr(message, "tool_calls", "") or ""))
        size += 16 + sum(len(part.encode(errors="replace")) for part in parts)
    return size // 4


def prompt_version(*, sampling: bool = False, screened: bool = False) -> str:
    """A short hash of the conductor's templates and tools."""
    parts = [prompt_source("conductor.jinja"), prompt_source("brief.jinja")]
    if sampling:
        parts.append(prompt_source("sampling.jinja"))
    if screened:
        parts.append(prompt_source("screening.jinja"))
    parts.append(str(tool_schemas(sampling=sampling)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def render_template(source: str, variables: Mapping[str, object]) -> str:
    """A template of the user's, filled in the sandbox; the variables are data, never templates.

    Raises:
        ConfigError: The template does not parse or names something unknown.
    """
    try:
        return SANDBOX.from_string(source).render(variables)
    except Exception as error:  # a template may divide by zero
        known = ", ".join(sorted(variables))
        first = str(error).partition("\n")[0]
        raise ConfigError(f"template.prompt: {first}; known variables are {known}") from None


def template_variables(source: str) -> set[str]:
    """The variables that a template of the user's mentions; one that does not parse has none."""
    try:
        return meta.find_undeclared_variables(SANDBOX.parse(source))
    except TemplateError:
        return set()


def prompt_template(name: str) -> Any:
    """A template of the package, ready to be filled."""
    return SANDBOX.from_string(prompt_source(name))


def prompt_source(name: str) -> str:
    """The text of a template of the package."""
    folder = importlib.resources.files("metasynth.agents").joinpath("prompts")
    return folder.joinpath(name).read_text(encoding="utf-8")
