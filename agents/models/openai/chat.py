# ruff: noqa: ARG002  (the signatures are LangChain's)
"""Chat models behind any OpenAI-compatible server: OpenAI, vLLM, Ollama, llama.cpp, LM Studio.

`ChatOpenAI` does the talking; around each of its requests stand the endpoint's pacer and our own
tries (the SDK's are off, so that the two do not multiply). It is always the chat completions
protocol, which is the one that all these servers speak.
"""

import asyncio
import contextlib
import json
import math
import os
import random
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Self

import httpx2
import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr, SecretStr, model_validator

from metasynth.agents.models.adaptation.adaptation import Adaptation, Adaptations
from metasynth.agents.models.adaptation.call import AdaptedCall, Sent
from metasynth.agents.models.errors import final_error, judge, public_url
from metasynth.agents.models.evidence import evidence_of
from metasynth.agents.models.keys import key_from
from metasynth.agents.models.pacing.pacer import Pacer, Slot, pacer_for
from metasynth.agents.models.pacing.tries import Endpoint, Tries, Verdict
from metasynth.agents.models.synchronous import ThroughAsync
from metasynth.errors import ModelCallError, RequestError
from metasynth.redaction import Redactor

from .client import shared_client
from .messages import StreamedAnswer, prompt_tokens, with_usage, without_secrets
from .wire import OPENAI_URL, PlainChatOpenAI, ToolChoice

ANSWER_TIMEOUT_S = 300.0
_LISTING_TIMEOUT_S = 30.0  # for each step: a loop may stand still while libraries load
_NO_KEY = "not-needed"  # local servers ask for none, the SDK insists on one


class OpenAIChat(ThroughAsync, PlainChatOpenAI):
    """`ChatOpenAI` that keeps an endpoint's pace and makes another try where that can help.

    However it is called, it raises `ContextLimitError` where the prompt does not fit, and
    `ModelCallError` where another try would not help, or the tries or the deadline are used up.

    An answer with nothing in it is passed on; so is one cut at the token limit, with
    `finish_reason` "length" in its `response_metadata`. Where the server counted no tokens,
    `usage_metadata` is an estimate and `response_metadata["usage_estimated"]` is True. A refusal
    is in `additional_kwargs["refusal"]`.
    """

    max_retries: int | None = 0

    max_tries: int = Field(default=6, ge=1)
    """Tries for one call. A refusal (429) counts only while the endpoint answers nobody else."""
    deadline_s: float | None = None
    """Seconds for one call, with its waiting and all its tries."""
    first_backoff_s: float = 0.5
    """Pause after the first failed try; it doubles with each further one."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that error messages name."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_concurrency: int | None = None

    _endpoint: Endpoint = PrivateAttr()
    _redactor: Redactor = PrivateAttr()
    _jitter: random.Random = PrivateAttr()
    _typical_answer_tokens: float = PrivateAttr(default=256.0)

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_ours(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = dict(values)
        retries = values.pop("max_retries", None)
        if retries is not None:
            values.setdefault("max_tries", retries + 1)
        if not values.keys() & {"timeout", "request_timeout"}:
            values["timeout"] = ANSWER_TIMEOUT_S
        return values

    @model_validator(mode="after")
    def _join_the_endpoint(self) -> Self:
        url = self.openai_api_base or OPENAI_URL
        key = self.openai_api_key
        secret = key.get_secret_value() if isinstance(key, SecretStr) else ""
        timeout = self.request_timeout
        self.stream_chunk_timeout = timeout if isinstance(timeout, int | float) else None
        self._jitter = random.Random(f"{self.model_name}/{self.seed}")
        self._endpoint = Endpoint(
            url=public_url(url),
            model=self.model_name,
            pacer=pacer_for(
                url,
                secret,
                requests_per_minute=self.requests_per_minute,
                tokens_per_minute=self.tokens_per_minute,
                max_concurrency=self.max_concurrency,
            ),
            max_tries=self.max_tries,
            first_backoff_s=self.first_backoff_s,
            answer_timeout_s=self.stream_chunk_timeout,
            deadline_s=self.deadline_s,
            judge=judge,
            final_error=self._final_error,
        )
        self._adaptation = Adaptation(f"{self.model_name} at {self._endpoint.url}")
        self._redactor = Redactor({"API_KEY": secret.removeprefix(_NO_KEY), "ADDRESS": url}, {})
        return self

    @property
    def pacer(self) -> Pacer:
        """The endpoint's, shared with every other model that calls it with the same key."""
        return self._endpoint.pacer

    def adapt_with(self, adaptations: Adaptations) -> None:
        """Share what is known of the endpoint with all models of a run."""
        self._adaptation = adaptations.of(self.model_name, self._endpoint.url)

    async def offered_models(self) -> list[str]:
        """Names of the models that the endpoint says it has.

        Raises:
            ModelCallError: It cannot be reached, or does not say.
        """
        try:
            async with asyncio.timeout(10):
                page = await self.root_async_client.models.list()
            return sorted(model.id for model in page.data)
        except Exception as error:
            raise self._error(error, judge(error), 1) from error

    async def fetched(self, path: str, *, with_key: bool = True, ask: Any = None) -> Any:
        """What the endpoint gives at another address than that of answers: JSON.

        Args:
            path: After the endpoint's address; one that begins with `//` stands at its root.
            with_key: Whether the key is sent.
            ask: What is posted; None gets.

        Raises:
            ModelCallError: It cannot be reached, or has nothing there.
        """
        url = httpx2.URL(self.openai_api_base or OPENAI_URL)
        below = "" if path.startswith("//") else url.path.rstrip("/")
        key = self.openai_api_key
        # rare, and seconds before the next: no connection is left open for it
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if with_key and isinstance(key, SecretStr):
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        body = None if ask is None else json.dumps(ask).encode()
        try:
            response = await shared_client().request(
                "GET" if ask is None else "POST",
                url.copy_with(path=f"{below}/{path.lstrip('/')}"),
                headers=headers,
                content=body,
                timeout=_LISTING_TIMEOUT_S,
            )
            response.raise_for_status()
            return response.json()
        except Exception as error:
            raise self._error(error, judge(error), 1) from error

    @property
    def has_key(self) -> bool:
        """Whether the user gave a key."""
        key = self.openai_api_key
        return isinstance(key, SecretStr) and key.get_secret_value() not in ("", _NO_KEY)

    async def _final_error(self, error: Exception, verdict: Verdict, tries: int) -> ModelCallError:
        """The error after the last try; where no model has the name, it lists those there are."""
        offered: list[str] = []
        if evidence_of(error).status == 404:
            with contextlib.suppress(ModelCallError):
                offered = await self.offered_models()
        return self._error(error, verdict, tries, offered)

    def _error(
        self, error: Exception, verdict: Verdict, tries: int, offered: Sequence[str] = ()
    ) -> ModelCallError:
        """What a person is told, without the secrets that a server may have repeated."""
        described = final_error(
            error,
            verdict,
            endpoint=self._endpoint.url,
            model=self.model_name,
            key_env=self.api_key_env,
            tries=tries,
            offered=offered,
        )
        return self._redactor.error(described)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call, tries, prompt = self._begin(messages, stop, kwargs)
        while True:
            async with self._adaptation.turn(call.now), tries.slot() as slot:
                sent = Sent()
                try:
                    async with asyncio.timeout(tries.try_timeout_s()):
                        result = await self._once(messages, stop, kwargs, sent)
                        result = with_usage(result, prompt)
                except Exception as error:
                    if call.adapts(error, sent):
                        continue
                    tries.failed(slot, error)
                else:
                    first = result.generations[0]
                    self._take(slot, getattr(first.message, "usage_metadata", None))
                    if sent.adaptation:
                        first.message.response_metadata["adaptation"] = sent.adaptation
                    return result
            await tries.pause()

    async def _once(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: dict[str, Any],
        sent: Sent,
    ) -> ChatResult:
        try:
            result = await super()._agenerate(messages, stop, None, sent=sent, **kwargs)
        except openai.LengthFinishReasonError as error:
            # The SDK's parser wants whole answers. Whether a cut one is of use others decide.
            result = self._create_chat_result(error.completion)
        if not result.generations:
            raise ValueError("an answer without choices")
        return without_secrets(result, self._redactor)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        call, tries, prompt = self._begin(messages, stop, kwargs)
        while True:
            answer = StreamedAnswer()
            async with self._adaptation.turn(call.now), tries.slot() as slot:
                sent = Sent()
                chunks = super()._astream(messages, stop, None, sent=sent, **kwargs)
                try:
                    async for chunk in chunks:
                        tries.check_deadline()
                        for ready in answer.add(chunk):
                            yield ready
                    answer.check()
                except Exception as error:
                    if not answer.shown and call.adapts(error, sent):
                        continue
                    tries.failed(slot, error, final=answer.shown)
                else:
                    rest = answer.finish(prompt, source=self.source, adaptation=sent.adaptation)
                    self._take(slot, answer.usage)
                    for ready in rest:
                        yield ready
                    return
            await tries.pause()

    def _begin(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> tuple[AdaptedCall, Tries, int]:
        """A call that is about to start, its tries, and the prompt's estimated tokens."""
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        prompt = prompt_tokens(payload)
        most = payload.get("max_completion_tokens") or payload.get("max_tokens") or math.inf
        answer = min(self._typical_answer_tokens, most)
        tries = Tries(self._endpoint, prompt + round(answer), self._jitter)
        return AdaptedCall(payload, self._adaptation), tries, prompt

    def _take(self, slot: Slot, usage: UsageMetadata | None) -> None:
        slot.succeeded(usage and usage["total_tokens"])
        if usage:
            self._typical_answer_tokens += (
                usage["output_tokens"] - self._typical_answer_tokens
            ) / 8


def openai_chat(
    name: str,
    *,
    base_url: str | None = None,
    api_key_env: str = "OPENAI_API_KEY",
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
    max_tries: int = 6,
    deadline_s: float | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    max_concurrency: int | None = None,
    extra_body: dict[str, Any] | None = None,
    tool_choice: ToolChoice | None = "required",
    token_limit_field: str | None = None,
    system_role: bool = True,
) -> OpenAIChat:
    """A chat model behind an OpenAI-compatible server.

    Args:
        name: Of the model, as the server calls it.
        base_url: Address up to `/v1`; by default `OPENAI_BASE_URL`, else OpenAI itself.
        api_key_env: Environment variable with the key. A server of one's own may need none.
        temperature: As the server understands it.
        top_p: The same.
        max_tokens: Longest answer.
        seed: For the server's sampling and for the jitter of our pauses.
        timeout_s: Seconds for one try.
        max_tries: Tries for one call.
        deadline_s: Seconds for one call with all its tries.
        requests_per_minute: Limit for all calls to this endpoint.
        tokens_per_minute: The same for tokens.
        max_concurrency: The most calls in flight to this endpoint.
        extra_body: Further fields of the request (`top_k`, `chat_template_kwargs`, …).
        tool_choice: What is sent where a call of a tool is wanted; None for nothing.
        token_limit_field: The name of the field with `max_tokens`; by default the host decides.
        system_role: False puts system messages at the head of the first user message.

    Raises:
        RequestError: The endpoint is OpenAI's and there is no key.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    key = key_from(api_key_env)
    if not key and url == OPENAI_URL:
        raise RequestError(
            f"no key for {name} at {url}: the environment variable {api_key_env} is not set",
            hint=f"set {api_key_env}, or give the base_url of a server of your own",
            code="missing_key",
        )
    return OpenAIChat(
        model=name,
        base_url=url,
        api_key=SecretStr(key or _NO_KEY),
        api_key_env=api_key_env,
        temperature=temperature,
        top_p=top_p,
        max_completion_tokens=max_tokens,
        seed=seed,
        timeout=timeout_s,
        max_tries=max_tries,
        deadline_s=deadline_s,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        max_concurrency=max_concurrency,
        extra_body=extra_body,
        tool_choice=tool_choice,
        token_limit_field=token_limit_field,
        system_role=system_role,
    )
