"""The tools by which conductors decide. Their docstrings and descriptions are what models read."""

import copy
import functools
from collections.abc import Mapping
from typing import Any, Literal

from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field

_TAKEN_BY_ALL = frozenset(
    {"type", "description", "properties", "required", "items", "enum"}
    | {"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}
)


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


def offered_tools(*, sampling: bool = False) -> Mapping[str, type[Tool]]:
    """The tools of a run: `sample_softsrv` is there only where there is something to sample."""
    return {**TOOLS, "sample_softsrv": SampleSoftSRV} if sampling else TOOLS


def tool_schemas(*, sampling: bool = False) -> list[dict[str, Any]]:
    """The tools in OpenAI's format, in the order in which they are offered."""
    return schemas_of(offered_tools(sampling=sampling))


def schemas_of(tools: Mapping[str, type[Tool]]) -> list[dict[str, Any]]:
    """Tools in OpenAI's format, under the names that they are offered by.

    Schemas keep to what all known readers take: no unions, defaults or formats, no word on further
    arguments, no empty string among an enum's (Gemini and strict modes refuse them).
    """
    schemas = []
    for name, tool in tools.items():
        schema = copy.deepcopy(_schema(tool))
        schema["function"]["name"] = name
        schemas.append(schema)
    return schemas


@functools.cache  # every turn of a conductor asks for it
def _schema(tool: type[Tool]) -> dict[str, Any]:
    schema = convert_to_openai_tool(tool)
    schema["function"]["parameters"] = _plainest(schema["function"]["parameters"])
    return schema


def _plainest(schema: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in schema.items() if key in _TAKEN_BY_ALL}
    if "enum" in plain:
        plain["enum"] = [value for value in plain["enum"] if value != ""]
    if "items" in plain:
        plain["items"] = _plainest(plain["items"])
    if "properties" in plain:
        plain["properties"] = {name: _plainest(each) for name, each in plain["properties"].items()}
    return plain


class InstructConsult(Consult):
    """Ask one expert to do one thing; it sees only your instruction and what you attach."""

    attach: list[str] = Field(
        default_factory=list, max_length=8, description="references: question-1 or document-1"
    )
    persona: str = Field(default="", max_length=120, description="who asks the question")
    genre: str = Field(default="", max_length=80, description="the form of the task")
    produces: Literal["", "question", "note"] = Field(  # type: ignore[assignment]
        default="", description="what an invented expert makes"
    )


class SubmitQuestion(Tool):
    """Hand a question to the gate; where it passes, it is answered."""

    question: str = Field(max_length=40, description="reference of the question")


INSTRUCT_TOOLS: Mapping[str, type[Tool]] = {
    "consult": InstructConsult,
    "submit": SubmitQuestion,
    "give_up": GiveUp,
}


def instruct_schemas() -> list[dict[str, Any]]:
    """The tools in OpenAI's format, in the order in which they are offered."""
    return schemas_of(INSTRUCT_TOOLS)
