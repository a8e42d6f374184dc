"""The section `review`: whether a person is asked before a record enters the corpus."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from .section import Section


class ReviewConfig(Section):
    """Who decides about drafts that gate and student have let pass."""

    ask: bool = Field(default=False, description="ask a person before each admission")
    by: str = Field(default="a person", min_length=1, description="who decides, for the record")


def _switch(value: object) -> object:
    return {"ask": value} if isinstance(value, bool) else value


ReviewSection = Annotated[
    ReviewConfig, BeforeValidator(_switch, json_schema_input_type=bool | ReviewConfig)
]
"""`review: true` is short for `review: {ask: true}`."""
