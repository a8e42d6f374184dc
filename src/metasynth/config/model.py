"""The models of a run file: teacher, conductor, experts, and what they cost."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from .checks import ADDRESS, EXTRA_BODY
from .marks import LOCAL_MODEL, NotIdentity, PartOf
from .section import Section


def _model_name(value: object) -> object:
    """The form alone: which providers there are is known above the core."""
    if isinstance(value, str) and not re.fullmatch(r"[^:\s]+(:.+)?", value):
        raise ValueError("expected PROVIDER or PROVIDER:NAME, such as embedded or openai:NAME")
    return value


class ModelConfig(Section):
    """A chat model and how it is called; what is not given keeps the model's own default."""

    model: Annotated[
        str, PartOf("provider", before=":"), LOCAL_MODEL, BeforeValidator(_model_name)
    ] = Field(
        default="embedded",
        description="PROVIDER:NAME, such as anthropic:NAME; see the page on models",
    )
    base_url: Annotated[str | None, NotIdentity("address"), ADDRESS] = Field(
        default=None,
        description="address of an OpenAI-compatible server, up to /v1; "
        "null: OPENAI_BASE_URL, or OpenAI",
    )
    api_key_env: Annotated[str | None, NotIdentity("address")] = Field(
        default=None,
        description="the environment variable that holds the key; "
        "null: the provider's, as OPENAI_API_KEY",
    )
    api_version: Annotated[str, NotIdentity("address")] = Field(
        default="2024-10-21", min_length=1, description="of Azure's API, for azure:DEPLOYMENT"
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="the model's own default; null is not sent, whatever a role says",
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="null: the model's own default"
    )
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        description="of one answer; null is not sent, whatever a role says",
    )
    timeout_s: Annotated[float, NotIdentity("pace")] = Field(
        default=120.0, gt=0, description="seconds that one call may take"
    )
    max_tries: Annotated[int, NotIdentity("pace")] = Field(
        default=8, ge=1, description="of one call, where another try may help"
    )
    requests_per_minute: Annotated[float | None, NotIdentity("pace")] = Field(
        default=None, gt=0, description="limit of the endpoint"
    )
    tokens_per_minute: Annotated[float | None, NotIdentity("pace")] = Field(
        default=None, gt=0, description="limit of the endpoint"
    )
    max_concurrency: Annotated[int | None, NotIdentity("pace")] = Field(
        default=None, ge=1, description="calls at a time; null: as the server bears"
    )
    extra_body: Annotated[dict[str, Any] | None, EXTRA_BODY] = Field(
        default=None, description="fields that are sent beside the standard ones"
    )
    send_seed: bool = Field(default=True, description="some servers refuse the field")
    tool_choice: Literal["required", "auto"] | None = Field(
        default="required",
        description="sent where a tool is to be called; null: not sent",
    )
    token_limit_field: Annotated[str | None, NotIdentity("address")] = Field(
        default=None,
        pattern=r"^[A-Za-z_]\w*$",
        description="the field in which max_tokens is sent; null: max_tokens, to OpenAI and Azure "
        "max_completion_tokens",
    )
    system_role: bool = Field(
        default=True,
        description="false: system messages stand at the head of the first user message",
    )
    max_batch: Annotated[int, NotIdentity("pace")] = Field(
        default=16, ge=1, description="answers generated together, of a model in this process"
    )
    device: Annotated[str, NotIdentity("place")] = Field(
        default="auto", description="of a model in this process: auto, cpu, cuda, …"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="of a model in this process"
    )
    trust_remote_code: bool = Field(
        default=False, description="run Python code that comes with the model"
    )

    @property
    def unsent(self) -> frozenset[str]:
        """The settings that the run file sets to null, so that no role's value is sent."""
        return frozenset(
            name
            for name in ("temperature", "max_tokens")
            if name in self.model_fields_set and getattr(self, name) is None
        )


class PriceConfig(Section):
    """US dollars for a million tokens."""

    input: float = Field(ge=0, description="for tokens sent")
    output: float = Field(ge=0, description="for tokens received")
