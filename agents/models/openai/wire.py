# ruff: noqa: ARG002  (the signatures are LangChain's)
"""`ChatOpenAI` as every OpenAI-compatible server understands it."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool
from pydantic import Field, PrivateAttr, model_validator

from metasynth.agents.models.adaptation.adaptation import Adaptation
from metasynth.agents.models.adaptation.call import Sent, configured_changes
from metasynth.agents.models.adaptation.change import Change
from metasynth.agents.models.adaptation.reading import LIMITS
from metasynth.agents.models.received import give_back
from metasynth.usage import estimate_tokens

from .client import shared_client
from .messages import plain_messages, prompt_tokens
from .tolerant import TolerantChatOpenAI

OPENAI_URL = "https://api.openai.com/v1"
_NEW_LIMIT_HOSTS = re.compile(
    r"(?:^|\.)(?:openai\.com|openai\.azure\.\w+|cognitiveservices\.azure\.\w+|"
    r"services\.ai\.azure\.\w+)$"
)
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
ToolChoice = Literal["required", "auto"]


class PlainChatOpenAI(TolerantChatOpenAI):
    """`ChatOpenAI` that speaks chat completions only, in plain messages, to one named address."""

    use_responses_api: bool | None = False
    stream_usage: bool | None = True
    http_async_client: Any | None = Field(default_factory=shared_client, exclude=True)
    tool_choice: ToolChoice | None = "required"
    """What is sent where a call of a tool is wanted; None for nothing."""
    token_limit_field: str | None = None
    """The name of the limit of an answer's tokens; None for the one that hosts mostly know."""
    system_role: bool = True
    """False: system messages go at the head of the first user message."""

    _adaptation: Adaptation = PrivateAttr(default_factory=Adaptation)

    @model_validator(mode="before")
    @classmethod
    def _one_named_address(cls, values: dict[str, Any]) -> dict[str, Any]:
        # Always explicit: left open, LangChain would let a gateway's environment variables decide.
        if values.get("base_url") or values.get("openai_api_base"):
            return values
        return values | {"base_url": os.environ.get("OPENAI_BASE_URL") or OPENAI_URL}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """No: the run file is what describes a model."""
        return False

    @property
    def source(self) -> str:
        """Names endpoint and model, without their address."""
        name = f"{self.openai_api_base}\n{self.model_name}"
        return hashlib.sha256(name.encode()).hexdigest()[:12]

    def _configured(self) -> list[Change]:
        """What the model's own settings change in every request."""
        host = urlsplit(self.openai_api_base or OPENAI_URL).hostname or ""
        by_host = LIMITS[1] if _NEW_LIMIT_HOSTS.search(host) else LIMITS[0]
        return list(
            configured_changes(
                tool_choice=self.tool_choice,
                limit=self.token_limit_field or by_host,
                system_role=self.system_role,
            )
        )

    def _get_request_payload(
        self,
        input_: LanguageModelInput,
        *,
        stop: list[str] | None = None,
        sent: Sent | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = self._convert_input(input_).to_messages()
        payload: dict[str, Any] = super()._get_request_payload(
            plain_messages(messages), stop=stop, **kwargs
        )
        source = self.source
        for wire, message in zip(payload["messages"], messages, strict=True):
            give_back(wire, message, source=source)
            _mend_ids(wire)
        for change in self._configured():
            payload = change.apply(payload)
        if sent is not None:
            sent.changes = self._adaptation.changes
            payload, sent.adaptation = self._adaptation.adapted(payload)
            sent.payload = payload
        return payload

    def get_num_tokens(self, text: str) -> int:
        """About how many tokens a text is. (The inherited count downloads its vocabulary.)"""
        return estimate_tokens(text)

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
        *,
        allow_fetching_images: bool = False,
    ) -> int:
        """About how many tokens messages are, without tools and images."""
        return prompt_tokens({"messages": [{"content": str(item.text)} for item in messages]})


def _mend_ids(wire: dict[str, Any]) -> None:
    """Ids of calls that some endpoint would refuse get others, the same in call and result."""
    for call in wire.get("tool_calls") or ():
        call["id"] = _fit_id(call["id"])
    if "tool_call_id" in wire:
        wire["tool_call_id"] = _fit_id(wire["tool_call_id"])


def _fit_id(call_id: object) -> str:
    text = str(call_id)
    return text if _ID.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:9]
