"""The role file: what an expert is told, what may be attached to its call, what it gives back."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from metasynth.config.marks import PartOf
from metasynth.errors import ConfigError
from metasynth.sandbox import fill

Offering = Literal["document", "instruct", "answers"]
Made = Literal[
    "draft",
    "keywords",
    "summary",
    "topic",
    "analysis",
    "note",
    "persona",
    "question",
    "answer",
    "critique",
]
Given = Literal["seed", "neighbours", "document", "conversation"]
Kind = Literal[Made, Given]

# What instructions may mention, each with a value to try a template with.
EXAMPLES: Mapping[str, object] = {
    "domain": "a domain",
    "description": "what it is about",
    "language": "en",
    "persona": "a baker",
    "genre": "diary entry",
    "max_words": 100,
    "title": "Expert",
}
VARIABLES = tuple(EXAMPLES)

_SHORT_WORDS = 60  # of instructions that are short already
_ALONE: Mapping[str, str] = {
    "draft": "Answer with the text alone.",
    "keywords": "Answer with keywords, separated by commas.",
    "summary": "Answer with one sentence.",
    "topic": "Answer with one to four words.",
    "persona": "Answer with the person alone.",
    "question": "Answer with the question alone.",
    "answer": "Answer the question alone.",
}
"""What a role's answer is, where nothing but its description says so."""


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Role(BaseModel):
    """One expert: what it is told, what may be attached to its call, what it gives back."""

    # the descriptions are what editors show and what the reference lists
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="What the conductor calls the expert: small letters, digits and _. The name of "
        "one of ours replaces it.",
    )
    title: str = Field(
        min_length=1,
        pattern=r"^[^\n]+$",
        description="Its title for people and models: the prompt begins 'You are the TITLE.'",
    )
    for_: Annotated[
        tuple[Offering, ...],
        BeforeValidator(_one_or_many, json_schema_input_type=Offering | tuple[Offering, ...]),
    ] = Field(
        default=("document",),
        min_length=1,
        alias="for",
        description="The graphs that offer it: document (also rounds of graph active), instruct, "
        "or answers, whose experts are asked by name.",
    )
    description: str = Field(
        min_length=1,
        description="One sentence by which a conductor decides when to consult it; it sees name, "
        "description, receives and produces, never the instructions.",
    )
    instructions: str = Field(
        min_length=1,
        description="The system prompt, a Jinja2 template (sandboxed). It may mention "
        f"{', '.join(VARIABLES[:-1])} and {VARIABLES[-1]}.",
    )
    short: str | None = Field(
        default=None,
        min_length=1,
        description="Who the expert is in a sentence or two, shown instead of the instructions "
        "where the run file says experts.style: short; a template like them. Default: short "
        "instructions themselves, else made of title and description.",
    )
    receives: tuple[Kind, ...] = Field(
        default=(), description="The kinds that may be attached to its call; empty means any."
    )
    produces: Made = Field(default="note", description="What its answer is to others.")
    output: Literal["text"] | dict[str, Any] = Field(
        default="text",
        description="text, or a JSON schema: the answer must then be JSON of this form.",
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="Of its answers; one in the run file's section experts goes before it. "
        "Default: the model's own.",
    )
    model: Annotated[str | None, PartOf("provider", before=":")] = Field(
        default=None,
        description="A model of its own: embedded, local:PATH_OR_HUB_ID or openai:NAME. Default: "
        "the run file's experts or teacher.",
    )
    max_tokens: int | None = Field(
        default=None, ge=1, description="Where its answer is cut. Default: the run file's."
    )
    tools: tuple[str, ...] = Field(
        default=(), max_length=0, description="Reserved: experts have no tools yet."
    )

    def system_prompt(self, variables: Mapping[str, object]) -> str:
        """The role's system prompt; its first line names the expert.

        `variables` are data: a value with template syntax in it is printed, never rendered.

        Raises:
            ConfigError: The template cannot be filled.
        """
        return f"You are the {self.title}.\n\n{self._filled('instructions', variables)}"

    def short_prompt(self, variables: Mapping[str, object]) -> str:
        """Who the expert is in a sentence or two, on one line; `variables` as in `system_prompt`.

        Raises:
            ConfigError: The template cannot be filled.
        """
        if self.short is not None:
            return " ".join(self._filled("short", variables).split())
        words = self._filled("instructions", variables).split()
        if len(words) > _SHORT_WORDS:
            words = [*self.description.split(), *_ALONE.get(str(self.produces), "").split()]
        return " ".join((f"You are the {self.title}.", *words))

    def _filled(self, field: str, variables: Mapping[str, object]) -> str:
        try:
            return fill(getattr(self, field), variables).strip()
        except Exception as error:  # a template may divide by zero
            first = str(error).partition("\n")[0]
            raise ConfigError(f"role {self.name}: {field}: {first}", code="bad_template") from None


def fields() -> list[str]:
    """The keys of a role file, as they are written."""
    return [field.alias or name for name, field in Role.model_fields.items()]
