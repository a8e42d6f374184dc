"""Who directs the experts of a record and how, and how experts are asked."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from .model import ModelConfig


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...]),
]
Step = str | tuple[str, ...]


class ConductorConfig(ModelConfig):
    """Who conducts: a model, where it differs from the teacher, or a fixed order; its bounds."""

    policy: Literal["model", "fixed"] = Field(
        default="model",
        description="model: a model decides whom to ask; fixed: code asks the experts of `order`",
    )
    order: tuple[Step, ...] = Field(
        default=(),
        description="of policy fixed: experts one after the other, those of an inner list at once; "
        "empty: the usual order",
    )
    require: Names = Field(
        default=(), description="experts that are asked about a draft before it is submitted"
    )
    tools: Literal["auto", "native", "schema"] = Field(
        default="auto",
        description="how a model calls: native tool calls; schema: JSON by response_format; auto: "
        "native, and schema where none come",
    )
    max_turns: int = Field(default=30, ge=3, description="turns for one record")
    max_calls_per_turn: int = Field(
        default=6, ge=1, description="tool calls that one turn may make"
    )
    max_prompt_tokens: int = Field(default=8000, ge=256, description="estimated, 4 bytes a token")
    without: tuple[str, ...] = Field(default=(), description="experts that it is not offered")
    personas: bool = Field(default=True, description="experts write as whom it names")

    @property
    def steps(self) -> tuple[tuple[str, ...], ...]:
        """The order with every step as a tuple of names."""
        return tuple((step,) if isinstance(step, str) else step for step in self.order)


class ExpertsConfig(ModelConfig):
    """The experts' model, where it differs from the teacher, and how they are asked."""

    style: Literal["full", "short"] = Field(
        default="full",
        description="short: one short message, and JSON by response_format for keywords, topic, "
        "summary and person; for small models",
    )
