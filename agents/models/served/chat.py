# ruff: noqa: ARG002  (the signatures are LangChain's)
"""A chat model of any LangChain package, within our pace, tries and redaction.

The package does the talking, with its own tries off, so that the two do not multiply. Its
connections belong to the event loop that opened them and some packages share them among all their
models, so every request of every caller is made on one loop, the background loop.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr, model_validator

from metasynth.agents.models.background_loop import background_loop
from metasynth.agents.models.errors import final_error, judge, public_url
from metasynth.agents.models.openai.messages import prompt_tokens, without_secrets
from metasynth.agents.models.pacing.pacer import Pacer, pacer_for
from metasynth.agents.models.pacing.tries import Endpoint, Tries, Verdict
from metasynth.config.model import ModelConfig
from metasynth.errors import ModelCallError
from metasynth.redaction import Redactor

from .failures import as_endpoint_failure
from .messages import for_the_endpoint, total_tokens
from .package import SETTINGS, Package

_TYPICAL_ANSWER_TOKENS = 256


class ServedChat(BaseChatModel):
    """A package's chat model that keeps its endpoint's pace and tries again where that can help.

    However it is called, it raises `ContextLimitError` where the prompt does not fit, and
    `ModelCallError` where another try would not help or the tries are used up.

    Settings of a call have the names that they have in a run file, whatever the package calls them:
    `temperature`, `top_p`, `max_tokens`, `seed`, and `response_format` as OpenAI has it.
    """

    chat: BaseChatModel
    """The package's, without settings."""
    package: Package
    """What is known of it."""
    name_of_model: str
    """As the endpoint calls it."""
    address: str
    """Where its requests go."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Of every call that does not name others; None: not sent."""
    max_tries: int = Field(default=8, ge=1)
    first_backoff_s: float = 0.5
    """Pause after the first failed try; it doubles with each further one."""
    timeout_s: float | None = None
    """Seconds for one try."""
    api_key_env: str = ""
    """Environment variable that error messages name."""
    secrets: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """What no message and no answer may show."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_concurrency: int | None = None

    _endpoint: Endpoint = PrivateAttr()
    _redactor: Redactor = PrivateAttr()
    _jitter: random.Random = PrivateAttr()

    @model_validator(mode="after")
    def _join_the_endpoint(self) -> Self:
        self._jitter = random.Random(self.name_of_model)
        self._redactor = Redactor({**self.secrets, "ADDRESS": self.address}, {})
        self._endpoint = Endpoint(
            url=public_url(self.address),
            model=self.name_of_model,
            pacer=pacer_for(
                self.address,
                "\n".join(self.secrets.values()),
                requests_per_minute=self.requests_per_minute,
                tokens_per_minute=self.tokens_per_minute,
                max_concurrency=self.max_concurrency,
            ),
            max_tries=self.max_tries,
            first_backoff_s=self.first_backoff_s,
            answer_timeout_s=self.timeout_s,
            deadline_s=None,
            judge=judge,
            final_error=self._final_error,
        )
        return self

    @property
    def _llm_type(self) -> str:
        return self.chat._llm_type

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """No: the run file is what describes a model."""
        return False

    @property
    def pacer(self) -> Pacer:
        """The endpoint's, shared with every other model that calls it with the same key."""
        return self._endpoint.pacer

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The tools in the package's own form; `any` and `required`: one must be called."""
        if tool_choice:
            forced = tool_choice in ("any", "required")
            kwargs["tool_choice"] = self.package.forced if forced else tool_choice
        if not self.package.binds:
            return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)
        bound = self.chat.bind_tools(tools, **kwargs)
        assert isinstance(bound, RunnableBinding)
        return self.bind(**bound.kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        tries = self._begin(messages, kwargs)
        chat, arguments = self._configured(kwargs)
        sent = for_the_endpoint(messages)
        while True:
            async with tries.slot() as slot:
                try:
                    async with asyncio.timeout(tries.try_timeout_s()):
                        result = await background_loop().awaited(
                            chat._agenerate(sent, stop, None, **arguments)
                        )
                    if not result.generations:
                        raise ValueError("an answer without choices")
                except Exception as error:
                    tries.failed(slot, as_endpoint_failure(error))
                else:
                    slot.succeeded(total_tokens(result.generations[0].message))
                    return without_secrets(result, self._redactor)
            await tries.pause()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        tries = self._begin(messages, kwargs)
        chat, arguments = self._configured(kwargs)
        sent = for_the_endpoint(messages)
        while True:
            shown, tokens = False, None
            async with tries.slot() as slot:
                pieces = background_loop().pieces(chat._astream(sent, stop, None, **arguments))
                try:
                    async with aclosing(pieces):
                        async for piece in pieces:
                            tokens = total_tokens(piece.message) or tokens
                            shown = True
                            yield self._clean(piece)
                except Exception as error:
                    tries.failed(slot, as_endpoint_failure(error), final=shown)
                else:
                    slot.succeeded(tokens)
                    return
            await tries.pause()

    def _begin(self, messages: Sequence[BaseMessage], arguments: Mapping[str, Any]) -> Tries:
        texts = [{"content": str(message.text)} for message in messages]
        prompt = prompt_tokens({"messages": texts, "tools": arguments.get("tools")})
        return Tries(self._endpoint, prompt + _TYPICAL_ANSWER_TOKENS, self._jitter)

    def _configured(self, kwargs: dict[str, Any]) -> tuple[BaseChatModel, dict[str, Any]]:
        """The package's model with the settings of a call, and the arguments of that call."""
        ours = {name: value for name, value in kwargs.items() if name in SETTINGS}
        rest = {name: value for name, value in kwargs.items() if name not in SETTINGS}
        if self.package.schema and (schema := rest.pop("response_format", None)):
            rest |= self.package.schema(schema)
        chat, arguments = self.package.with_settings(self.chat, {**self.settings, **ours})
        return chat, {**self.package.call, **arguments, **rest}

    def _clean(self, piece: ChatGenerationChunk) -> ChatGenerationChunk:
        message = piece.message
        content = self._redactor.known_everywhere(message.content)
        if content == message.content or not isinstance(message, AIMessageChunk):
            return piece
        return ChatGenerationChunk(
            message=message.model_copy(update={"content": content}),
            generation_info=piece.generation_info,
        )

    async def _final_error(self, error: Exception, verdict: Verdict, tries: int) -> ModelCallError:
        described = final_error(
            error,
            verdict,
            endpoint=self._endpoint.url,
            model=self.name_of_model,
            key_env=self.api_key_env,
            tries=tries,
        )
        return type(described)(
            self._redactor.text(described.message), hint=described.hint, code=described.code
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return background_loop().run(self._agenerate(messages, stop, None, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from background_loop().iterate(self._astream(messages, stop, None, **kwargs))

    def _should_stream(self, *, run_manager: Any = None, **kwargs: Any) -> bool:
        # As in OpenAIChat: a listener is no reason to stream a call that did not ask for it.
        return super()._should_stream(run_manager=None, **kwargs)

    def _should_use_protocol_streaming(self, *, run_manager: Any = None, **kwargs: Any) -> bool:
        return super()._should_use_protocol_streaming(run_manager=None, **kwargs)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self._configured(kwargs)[0]._get_ls_params(stop, **kwargs)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.name_of_model, "address": self._endpoint.url, **self.settings}


def served_chat(package: Package, name: str, config: ModelConfig, **options: Any) -> ServedChat:
    """The chat model of a package, as a section of the run file wants it.

    Args:
        package: Which.
        name: Of the model.
        config: The section.
        options: Further arguments of the package's class.

    Raises:
        ImportError: The package is not installed.
        RequestError: There is no key (code `missing_key`), or the package cannot do what the run
            file asks for (code `unsupported_setting`).
    """
    chat = package.make(name, config, **options)
    settings: dict[str, Any] = {"temperature": config.temperature, "top_p": config.top_p}
    if config.max_tokens is not None:  # one package fills in a limit that its API insists on
        settings["max_tokens"] = config.max_tokens
    package.with_settings(chat, settings)  # an impossible one is refused before the first call
    return ServedChat(
        chat=chat,
        package=package,
        name_of_model=name,
        address=config.base_url or package.address,
        settings=settings,
        max_tries=config.max_tries,
        timeout_s=config.timeout_s,
        api_key_env=config.api_key_env or "",
        secrets=package.secrets_of(config),
        requests_per_minute=config.requests_per_minute,
        tokens_per_minute=config.tokens_per_minute,
        max_concurrency=config.max_concurrency,
    )
