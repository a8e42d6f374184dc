"""What goes over the wire and what comes back: plain messages out, counted answers in."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from metasynth.agents.models.received import Pieces, note
from metasynth.redaction import Redactor
from metasynth.usage import estimate_tokens, settle_usage


def plain_messages(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages as every server understands them.

    Contents that are lists of text become one string (many local servers know no lists), and
    nothing of `additional_kwargs`, where our notes for local models are, leaves the process.
    """
    return [_plain(message) for message in messages]


def _plain(message: BaseMessage) -> BaseMessage:
    content = message.content
    if isinstance(content, list) and (
        isinstance(message, AIMessage) or all(_is_text(block) for block in content)
    ):
        content = str(message.text)
    if content is message.content and not message.additional_kwargs:
        return message
    return message.model_copy(update={"content": content, "additional_kwargs": {}})


def _is_text(block: str | dict[str, Any]) -> bool:
    return isinstance(block, str) or block.get("type") == "text"


def is_empty(message: BaseMessage) -> bool:
    """No text, no tool call, and no refusal in words."""
    if str(message.text).strip() or message.additional_kwargs.get("refusal"):
        return False
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        return False
    return not (isinstance(message, AIMessageChunk) and message.tool_call_chunks)


def prompt_tokens(payload: dict[str, Any]) -> int:
    """About how many tokens a request's messages and tools are."""
    messages = payload.get("messages", [])
    return estimate_tokens(messages) + estimate_tokens(payload.get("tools")) + 3 * len(messages)


def _usage(prompt: int, answer: int) -> UsageMetadata:
    answer = max(1, answer)
    return UsageMetadata(input_tokens=prompt, output_tokens=answer, total_tokens=prompt + answer)


def _answer_tokens(message: BaseMessage) -> int:
    """About how many tokens a piece of an answer is."""
    calls: list[Any] = []
    if isinstance(message, AIMessageChunk):
        calls = [piece["args"] for piece in message.tool_call_chunks]
    return estimate_tokens([str(message.text), calls])


def with_usage(result: ChatResult, prompt: int) -> ChatResult:
    """The result with token counts on every answer; those that are estimates say so."""
    for generation in result.generations:
        if isinstance(generation.message, AIMessage):
            settle_usage(generation.message, prompt=prompt)
    return result


def without_secrets(result: ChatResult, redactor: Redactor) -> ChatResult:
    """The result without the key or password that the endpoint was called with.

    A server that is set up badly repeats what it was sent, and the answer goes into files.
    """
    generations = []
    for generation in result.generations:
        message = generation.message
        names = ("content", "additional_kwargs", "tool_calls", "invalid_tool_calls")
        told = {name: getattr(message, name) for name in names if hasattr(message, name)}
        clean = redactor.known_everywhere(told)
        if clean != told:
            info = generation.generation_info
            generation = ChatGeneration(
                message=message.model_copy(update=clean), generation_info=info
            )
        generations.append(generation)
    return result.model_copy(update={"generations": generations})


class StreamedAnswer:
    """What is known of an answer that comes in pieces.

    Nothing is shown before there is something to show: until then the call can be made again
    without anybody seeing the beginning of an answer twice.
    """

    def __init__(self) -> None:
        self.shown = False
        self.finish_reason: str | None = None
        self.usage: UsageMetadata | None = None
        self._held_back: list[ChatGenerationChunk] = []
        self._pieces = Pieces()
        self._ids: dict[int | None, str] = {}
        self._tokens = 0.0

    def add(self, chunk: ChatGenerationChunk) -> list[ChatGenerationChunk]:
        """Take a piece in; returns those that may be shown now."""
        message = chunk.message
        info = chunk.generation_info or {}
        reason = info.get("finish_reason")
        self._pieces.add(info.pop("delta", {}))
        self.finish_reason = reason or self.finish_reason
        if isinstance(message, AIMessageChunk):
            self.usage = message.usage_metadata or self.usage
            for piece in message.tool_call_chunks:
                if piece["id"]:
                    self._ids.setdefault(piece["index"], piece["id"])
        self._tokens += _answer_tokens(message)
        self._held_back.append(chunk)
        self.shown = self.shown or not is_empty(message)
        if not self.shown:
            return []
        ready, self._held_back = self._held_back, []
        return ready

    def check(self) -> None:
        """Raises `ValueError` where the stream was no answer, not even an empty one."""
        if not self.shown and self.finish_reason is None:
            raise ValueError("a stream without choices")

    def finish(
        self, prompt: int, *, source: str = "", adaptation: str = ""
    ) -> list[ChatGenerationChunk]:
        """The pieces that are left, with token counts where the server sent none.

        Args:
            prompt: Its estimated tokens.
            source: Names endpoint and model, for what goes back to them with the answer.
            adaptation: How the request was changed for the endpoint.
        """
        ready, self._held_back = self._held_back, []
        if self._pieces.fields or self._pieces.calls:
            ready.append(self._received(source))
        if adaptation:
            told = AIMessageChunk(content="", response_metadata={"adaptation": adaptation})
            ready.append(ChatGenerationChunk(message=told))
        if self.usage is None:
            self.usage = _usage(prompt, round(self._tokens))
            counted = AIMessageChunk(
                content="",
                usage_metadata=self.usage,
                response_metadata={"usage_estimated": True},
            )
            ready.append(ChatGenerationChunk(message=counted))
        return ready

    def _received(self, source: str) -> ChatGenerationChunk:
        """What came with the answer in fields of the endpoint's own."""
        whole = AIMessage(content="", tool_calls=self._calls())
        note(whole, self._pieces.fields, self._pieces.calls, source=source)
        message = AIMessageChunk(content="", additional_kwargs=whole.additional_kwargs)
        return ChatGenerationChunk(message=message)

    def _calls(self) -> list[ToolCall]:
        """The calls' ids, in the order in which they came."""
        return [ToolCall(name="", args={}, id=call_id) for call_id in self._ids.values()]
