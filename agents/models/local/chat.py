"""A causal language model in this process as a LangChain chat model.

Concurrent calls share the model's batch, tool calls and JSON are enforced by a grammar, and a call
with a seed repeats. `stream` yields the answer as one chunk: an answer is read for tool calls as a
whole.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from metasynth.config.weights import EMBEDDED
from metasynth.errors import ModelCallError, RequestError
from metasynth.lm.engine.requests import Generation, GenerationRequest, TokenConstraint
from metasynth.lm.load import Dtype
from metasynth.lm.weights import embedded_folder

from .grammar import MAX_STRING_CHARACTERS, json_grammar, tools_grammar
from .reply import as_chunk, read_reply
from .runtime import LocalRuntime, ModelSource, local_runtime
from .settings import settings_of
from .structured_output import Method, as_tool_choice, requested_schema, structured_output

MAX_STRING_PER_TOKEN = 3  # characters; so a text that fills its bound still leaves room to close


class _Call(NamedTuple):
    """A call on its way: what the engine is asked, and what the answer is read with."""

    request: GenerationRequest
    tools_offered: bool
    call_id: str


class LocalChat(BaseChatModel):
    """Chat with a transformers model in this process.

    Every setting but those that decide what is loaded can also be given to a single call
    (`temperature`, `top_p`, `top_k`, `max_tokens`, `seed`, `stop`, `tools`, `tool_choice`,
    `parallel_tool_calls`, `response_format`). The same messages with the same seed give the same
    text; without a seed every call is another draw.
    """

    model_config = ConfigDict(populate_by_name=True)

    model_name: str = Field(alias="model")
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None
    max_batch: int = 8
    device: str = "auto"
    dtype: Dtype = "auto"
    trust_remote_code: bool = False
    revision: str | None = None
    label: str | None = None

    @property
    def _llm_type(self) -> str:
        return "metasynth-local"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        fields = ("model_name", "temperature", "top_p", "max_tokens", "seed", "stop", "revision")
        return {name: getattr(self, name) for name in fields}

    @property
    def runtime(self) -> LocalRuntime:
        """The loaded model, shared by all chat models of this process that name it.

        Raises:
            RequestError: It cannot be loaded.
        """
        source = ModelSource(
            self.model_name, self.device, self.dtype, self.trust_remote_code, self.revision
        )
        return local_runtime(source, max_batch=self.max_batch)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model, free or bound to call `tools` (see `tools_grammar` for `tool_choice`)."""
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        choice = as_tool_choice(tool_choice)
        return self.bind(
            tools=formatted, tool_choice=choice, parallel_tool_calls=parallel_tool_calls, **kwargs
        )

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        include_raw: bool = False,
        method: Method = "function_calling",
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model, made to answer in the form of `schema`."""
        if unknown := kwargs.keys() - {"strict"}:  # every answer is strict
            raise ValueError(f"unsupported arguments: {sorted(unknown)}")
        return structured_output(self, schema, method=method, include_raw=include_raw)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        runtime = self.runtime
        call = self._call(runtime, messages, stop, kwargs)
        future = runtime.engine.submit(call.request)
        try:
            generation = future.result()
        except CancelledError:
            raise _closed(self.model_name) from None
        finally:
            future.cancel()  # an interrupt leaves no row behind
        return self._result(runtime, call, generation)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        runtime = self.runtime
        call = self._call(runtime, messages, stop, kwargs)
        future: Future[Generation] = runtime.engine.submit(call.request)
        try:
            generation = await asyncio.wrap_future(future)  # cancelling the task frees the row
        except asyncio.CancelledError:
            if runtime.engine.is_closed:
                raise _closed(self.model_name) from None
            raise
        return self._result(runtime, call, generation)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunk = as_chunk(self._generate(messages, stop, **kwargs))
        if run_manager:
            run_manager.on_llm_new_token(chunk.text, chunk=chunk)
        yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunk = as_chunk(await self._agenerate(messages, stop, **kwargs))
        if run_manager:
            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
        yield chunk

    def _call(
        self,
        runtime: LocalRuntime,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        options: Mapping[str, Any],
    ) -> _Call:
        """Everything that can be wrong with a call shows here, before the model computes."""
        tools: Sequence[Mapping[str, Any]] = options.get("tools") or ()
        choice = as_tool_choice(options.get("tool_choice"))
        schema = requested_schema(options.get("response_format"))
        if schema is not None and tools and choice != "none":
            raise RequestError(
                "a call can bind the answer to tools or to a schema, not to both",
                hint="leave out response_format, or set tool_choice to none",
                code="tools_and_schema",
            )
        ids = runtime.renderer.prompt_ids(messages, tools=tools, output_schema=schema)
        settings = settings_of(runtime.lm, ids, self._wishes(stop, options))
        max_string = min(MAX_STRING_CHARACTERS, MAX_STRING_PER_TOKEN * settings.max_new_tokens)
        if schema is not None:
            grammar: str | None = json_grammar(schema, max_string=max_string)
        else:
            grammar = tools_grammar(
                tools,
                tool_choice=choice,
                parallel=options.get("parallel_tool_calls") is not False,
                markers=runtime.markers,
                max_string=max_string,
            )
        constraint: TokenConstraint | None = None
        if grammar is not None:
            constraint = runtime.grammars.constraint(grammar)
        return _Call(
            request=GenerationRequest(ids, settings, constraint),
            tools_offered=bool(tools) and choice != "none",
            call_id=f"call-{settings.seed:016x}",
        )

    def _wishes(self, stop: list[str] | None, options: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of this chat model, with what the call says instead."""
        own = {name: getattr(self, name) for name in ("temperature", "top_p", "max_tokens", "seed")}
        said = {name: value for name, value in options.items() if value is not None}
        return {**own, **said, "stop": self.stop if stop is None else stop}

    def _result(self, runtime: LocalRuntime, call: _Call, generation: Generation) -> ChatResult:
        message = read_reply(
            generation,
            runtime.lm.tokenizer,
            runtime.markers,
            tools_offered=call.tools_offered,
            call_id=call.call_id,
        )
        reason = generation.finish_reason
        called = reason == "stop" and bool(message.tool_calls)
        message.usage_metadata = {
            "input_tokens": generation.prompt_tokens,
            "output_tokens": generation.completion_tokens,
            "total_tokens": generation.prompt_tokens + generation.completion_tokens,
        }
        message.response_metadata = {
            "model_name": self.label or self.model_name,
            "model_provider": "local",
            "finish_reason": "tool_calls" if called else reason,
        }
        info = {"finish_reason": message.response_metadata["finish_reason"]}
        return ChatResult(generations=[ChatGeneration(message=message, generation_info=info)])


def local_chat(
    path_or_id: str | Path,
    *,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    max_batch: int = 8,
    device: str = "auto",
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
) -> LocalChat:
    """A chat model from a folder or a hub id, loaded now.

    Raises:
        RequestError: There is no such model, or it cannot be run.
    """
    chat = LocalChat(
        model=str(path_or_id),
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
        max_batch=max_batch,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
    )
    _ = chat.runtime  # a wrong name is told before anything starts
    return chat


def embedded_chat(**settings: Any) -> LocalChat:
    """The model that the package carries; the settings are those of `local_chat`.

    Raises:
        RequestError: The package was installed without it.
    """
    return local_chat(embedded_folder(), **settings).model_copy(update={"label": EMBEDDED})


def _closed(name: str) -> ModelCallError:
    return ModelCallError(f"model {name!r} was closed while it answered", code="closed_model")
