# ruff: noqa: ARG002  (the signatures are LangChain's)
"""`ChatOpenAI` as every OpenAI-compatible server understands it."""

import os
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import BaseTool
from pydantic import Field, model_validator

from metasynth.usage import estimate_tokens

from .client import shared_client
from .messages import plain_messages, prompt_tokens
from .tolerant import TolerantChatOpenAI

OPENAI_URL = "https://api.openai.com/v1"


class PlainChatOpenAI(TolerantChatOpenAI):
    """`ChatOpenAI` that speaks chat completions only, in plain messages, to one named address."""

    use_responses_api: bool | None = False
    stream_usage: bool | None = True
    http_async_client: Any | None = Field(default_factory=shared_client, exclude=True)

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

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        messages = plain_messages(self._convert_input(input_).to_messages())
        payload = super()._get_request_payload(messages, stop=stop, **kwargs)
        host = urlsplit(self.openai_api_base or OPENAI_URL).hostname or ""
        if not host.endswith(("openai.com", "openai.azure.com")):
            # The name that every server knows; the new one is OpenAI's alone.
            limit = payload.pop("max_completion_tokens", None)
            payload |= {} if limit is None else {"max_tokens": limit}
        return payload

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any, **kwargs: Any
    ) -> ChatGenerationChunk | None:
        converted = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        for choice in chunk.get("choices") or ():
            if converted and (words := (choice.get("delta") or {}).get("refusal")):
                converted.message.additional_kwargs["refusal"] = words
        return converted

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
