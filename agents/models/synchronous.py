# ruff: noqa: ARG002  (the signatures are LangChain's)
"""Chat models whose one way to answer is asynchronous: the others go through it."""

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from .background_loop import background_loop

if TYPE_CHECKING:

    class _Model(BaseChatModel):
        def _astream(
            self,
            messages: list[BaseMessage],
            stop: list[str] | None = None,
            run_manager: AsyncCallbackManagerForLLMRun | None = None,
            **kwargs: Any,
        ) -> AsyncGenerator[ChatGenerationChunk, None]: ...

else:  # beside a chat model in a class's bases it must bring no fields of its own
    _Model = object


class ThroughAsync(_Model):
    """Synchronous calls made on the background loop, and no stream that nobody asked for."""

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
        # A listener (Studio, for one) is no reason to stream a call that did not ask for it: when
        # an answer breaks off, one that nobody has seen can be asked for again.
        return super()._should_stream(run_manager=None, **kwargs)

    def _should_use_protocol_streaming(self, *, run_manager: Any = None, **kwargs: Any) -> bool:
        return super()._should_use_protocol_streaming(run_manager=None, **kwargs)
