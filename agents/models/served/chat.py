# ruff: noqa: ARG002  (the signatures are LangChain's)
"""A chat model of any LangChain package, within our pace, tries and redaction.

The package does the talking, with its own tries off, so that the two do not multiply. Its
connections belong to the event loop that opened them and some packages share them among all their
models, so every request of every caller is made on one loop, the background loop.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr, model_validator

from metasynth.agents.models.adaptation.adaptation import Adaptation, Adaptations
from metasynth.agents.models.adaptation.call import AdaptedCall, Sent, configured_changes
from metasynth.agents.models.adaptation.change import Change
from metasynth.agents.models.background_loop import background_loop
from metasynth.agents.models.errors import final_error, judge, public_url
from metasynth.agents.models.openai.messages import (
    StreamedAnswer,
    prompt_tokens,
    with_usage,
    without_secrets,
)
from metasynth.agents.models.pacing.pacer import Pacer, pacer_for
from metasynth.agents.models.pacing.tries import Endpoint, Tries, Verdict
from metasynth.agents.models.received import note_package
from metasynth.agents.models.synchronous import ThroughAsync
from metasynth.config.model import ModelConfig
from metasynth.errors import ModelCallError
from metasynth.redaction import Redactor

from .messages import Conversation, total_tokens
from .package import SETTINGS, Package

_TYPICAL_ANSWER_TOKENS = 256
_OF_TOOLS = frozenset({"strict", "parallel_tool_calls"})
_NO_FIELDS = frozenset(
    {"messages", "tools", "tool_choice", "response_format", "stop", "extra_body"}
)


class ServedChat(ThroughAsync, BaseChatModel):
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
    extra_body: dict[str, Any] | None = None
    """Further fields of every request."""
    changes: tuple[Change, ...] = ()
    """What the run file wants otherwise in every request."""
    source: str = ""
    """Names endpoint and model, for what goes back to these alone."""
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
    _adaptation: Adaptation = PrivateAttr(default_factory=Adaptation)

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
        self._adaptation = Adaptation(f"{self.name_of_model} at {self._endpoint.url}")
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

    @property
    def max_tokens(self) -> int | None:
        """The most tokens of an answer, where the run file says so."""
        limit: int | None = self.settings.get("max_tokens")
        return limit

    def adapt_with(self, adaptations: Adaptations) -> None:
        """Share what is known of the endpoint with all models of a run."""
        self._adaptation = adaptations.of(self.name_of_model, self._endpoint.url)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Tools of every call; `any` and `required`: one must be called."""
        if tool_choice:
            kwargs["tool_choice"] = "required" if tool_choice == "any" else tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        conversation = Conversation(messages, source=self.source)
        call, tries, prompt = self._begin(conversation, stop, kwargs)
        while True:
            async with self._adaptation.turn(call.now), tries.slot() as slot:
                sent = call.sent()
                try:
                    chat, told, arguments = self._carried_out(sent, conversation, kwargs)
                    async with asyncio.timeout(tries.try_timeout_s()):
                        result = await background_loop().awaited(
                            chat._agenerate(told, run_manager=None, **arguments)
                        )
                    if not result.generations:
                        raise ValueError("an answer without choices")
                except Exception as error:
                    if call.adapts(error, sent):
                        continue
                    tries.failed(slot, error)
                else:
                    message = result.generations[0].message
                    slot.succeeded(total_tokens(message))
                    self._note(message, sent.adaptation)
                    return without_secrets(with_usage(result, prompt), self._redactor)
            await tries.pause()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        conversation = Conversation(messages, source=self.source)
        call, tries, prompt = self._begin(conversation, stop, kwargs)
        while True:
            answer, whole = StreamedAnswer(), None
            async with self._adaptation.turn(call.now), tries.slot() as slot:
                sent = call.sent()
                chat, told, arguments = self._carried_out(sent, conversation, kwargs)
                pieces = background_loop().pieces(
                    chat._astream(told, run_manager=None, **arguments)
                )
                try:
                    async with aclosing(pieces):
                        async for piece in pieces:
                            for ready in answer.add(piece):
                                yield self._clean(ready)
                            whole = piece if whole is None else whole + piece
                    if whole is None:
                        raise ValueError("a stream without choices")
                except Exception as error:
                    if not answer.shown and call.adapts(error, sent):
                        continue
                    tries.failed(slot, error, final=answer.shown)
                else:
                    slot.succeeded(total_tokens(whole.message))
                    rest = answer.finish(prompt, source=self.source, adaptation=sent.adaptation)
                    if (received := self._received(whole.message)) is not None:
                        rest.append(received)
                    for ready in rest:
                        yield self._clean(ready)
                    return
            await tries.pause()

    def _begin(
        self, conversation: Conversation, stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[AdaptedCall, Tries, int]:
        """A call that is about to start, its tries, and the prompt's estimated tokens.

        The request that may be adapted has OpenAI's form, but settings under the package's names:
        these the endpoint's refusals use.
        """
        request: dict[str, Any] = {"messages": conversation.wire}
        for name, value in self._settings(kwargs).items():
            if value is not None:
                request[self.package.field(name)] = value
        for name in ("tools", "tool_choice", "response_format"):
            if kwargs.get(name) is not None:
                request[name] = kwargs[name]
        if stop:
            request["stop"] = stop
        if self.extra_body:
            request["extra_body"] = self.extra_body
        for change in self.changes:
            request = change.apply(request)
        prompt = prompt_tokens(request)
        tries = Tries(self._endpoint, prompt + _TYPICAL_ANSWER_TOKENS, self._jitter)
        return AdaptedCall(request, self._adaptation), tries, prompt

    def _settings(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a call, under our names."""
        return {**self.settings, **{name: kwargs[name] for name in SETTINGS if name in kwargs}}

    def _carried_out(
        self, sent: Sent, conversation: Conversation, kwargs: Mapping[str, Any]
    ) -> tuple[BaseChatModel, list[BaseMessage], dict[str, Any]]:
        """The package's model, the messages and the arguments for a request."""
        request = dict(sent.payload)
        settings = {
            name: request.pop(self.package.field(name), None) for name in self._settings(kwargs)
        }
        if settings.get("max_tokens") is None:  # one package fills in what its API insists on
            settings.pop("max_tokens", None)
        extra = {
            **request.get("extra_body", {}),
            **{name: value for name, value in request.items() if name not in _NO_FIELDS},
        }
        chat, arguments = self.package.with_settings(self.chat, settings)
        chat = self.package.with_fields(chat, extra)
        ours = (*SETTINGS, *_NO_FIELDS)
        arguments |= {name: value for name, value in kwargs.items() if name not in ours}
        if tools := request.get("tools"):
            options = {name: arguments.pop(name) for name in _OF_TOOLS if name in arguments}
            arguments |= self.package.tool_arguments(
                chat, tools, request.get("tool_choice"), **options
            )
        if (form := request.get("response_format")) and self.package.schema:
            arguments |= self.package.schema(form)
        arguments["stop"] = request.get("stop")
        told = conversation.back(request["messages"])
        return chat, told, {**self.package.call, **arguments}

    def _note(self, message: BaseMessage, adaptation: str) -> None:
        """What came with an answer, and how the request was changed for it."""
        if adaptation:
            message.response_metadata["adaptation"] = adaptation
        if isinstance(message, AIMessage):
            note_package(message, source=self.source)

    def _received(self, whole: BaseMessage) -> ChatGenerationChunk | None:
        """What `note_package` says of an answer that came in pieces, as its last one."""
        assert isinstance(whole, AIMessage)
        before = dict(whole.additional_kwargs)
        note_package(whole, source=self.source)
        new = {name: own for name, own in whole.additional_kwargs.items() if name not in before}
        if not new:
            return None
        return ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs=new))

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
        return self._redactor.error(described)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        chat, _ = self.package.with_settings(self.chat, self._settings(kwargs))
        rest = {name: value for name, value in kwargs.items() if name not in SETTINGS}
        return chat._get_ls_params(stop, **rest)

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
    address = config.base_url or package.address
    source = hashlib.sha256(f"{address}\n{name}".encode()).hexdigest()[:12]
    chat = package.make(name, config, source=source, **options)
    settings: dict[str, Any] = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_tokens": config.max_tokens,
    }
    package.with_settings(chat, settings)  # an impossible one is refused before the first call
    changes = configured_changes(
        tool_choice=config.tool_choice,
        limit=config.token_limit_field,
        system_role=config.system_role,
    )
    no_schema = () if package.schema else (Change("leave out", "response_format"),)
    return ServedChat(
        chat=chat,
        package=package,
        name_of_model=name,
        address=address,
        settings=settings,
        extra_body=config.extra_body,
        changes=(*changes, *no_schema),
        source=source,
        max_tries=config.max_tries,
        timeout_s=config.timeout_s,
        api_key_env=config.api_key_env or "",
        secrets=package.secrets_of(config),
        requests_per_minute=config.requests_per_minute,
        tokens_per_minute=config.tokens_per_minute,
        max_concurrency=config.max_concurrency,
    )
