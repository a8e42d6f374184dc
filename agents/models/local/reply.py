"""From drawn tokens to an assistant message: text, tool calls, and calls that were cut off."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from metasynth.agents.models.answers.cleaning import clean_text

from .grammar import CLOSE, OPEN, CallMarkers

if TYPE_CHECKING:
    from metasynth.lm.engine.requests import Generation


def read_reply(
    generation: "Generation",
    tokenizer: Any,
    markers: CallMarkers,
    *,
    tools_offered: bool,
    call_id: str,
) -> AIMessage:
    """The message that a generation says.

    Args:
        generation: What was drawn.
        tokenizer: The model's tokenizer.
        markers: What stands around a tool call.
        tools_offered: Whether calls are looked for; where none can be, such text is just text.
        call_id: What the ids of the calls begin with.
    """
    text = generation.text
    bodies: list[str] = []
    if tools_offered:
        if markers.are_special:
            text, bodies = _by_tokens(generation, tokenizer, markers)
        else:
            text, bodies = _by_text(generation.text)
    message = AIMessage(content=text)
    for index, body in enumerate(bodies):
        _add_call(message, body, f"{call_id}-{index}")
    said, thought = clean_text(str(message.content), tools_offered=False)
    if thought:
        message.content = said
        message.additional_kwargs["reasoning_content"] = thought
    return message


def as_chunk(result: ChatResult) -> ChatGenerationChunk:
    """A whole answer as the one chunk of a stream."""
    message = result.generations[0].message
    assert isinstance(message, AIMessage)
    chunk = AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        tool_calls=message.tool_calls,
        invalid_tool_calls=message.invalid_tool_calls,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )
    return ChatGenerationChunk(message=chunk, generation_info=result.generations[0].generation_info)


def _by_tokens(
    generation: "Generation", tokenizer: Any, markers: CallMarkers
) -> tuple[str, list[str]]:
    """Text before the first call, and what stands in the calls, told apart by special tokens."""
    parts = list(_split(generation.token_ids, markers.open_id))
    if len(parts) == 1:
        return generation.text, []
    bodies = []
    for part in parts[1:]:
        inside = next(_split(part, markers.close_id))
        bodies.append(str(tokenizer.decode(inside, skip_special_tokens=True)))
    return str(tokenizer.decode(parts[0], skip_special_tokens=True)).strip(), bodies


def _split(ids: Sequence[int], separator: int | None) -> Iterator[list[int]]:
    part: list[int] = []
    for token in ids:
        if token == separator:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _by_text(text: str) -> tuple[str, list[str]]:
    """The same where the markers are text: a call ends where its JSON ends."""
    before, opened, rest = text.partition(OPEN)
    bodies = []
    while opened:
        body = rest.lstrip()
        try:
            _, end = json.JSONDecoder().raw_decode(body)
        except ValueError:
            bodies.append(body)
            break
        bodies.append(body[:end])
        after = body[end:].lstrip().removeprefix(CLOSE)
        _, opened, rest = after.partition(OPEN)
    return (before.strip() if bodies else text), bodies


def _add_call(message: AIMessage, body: str, call_id: str) -> None:
    try:
        call = json.loads(body)
        name, arguments = call["name"], call["arguments"]
        if not (isinstance(name, str) and isinstance(arguments, dict)):
            raise TypeError("a call is an object with a name and arguments")
    except (ValueError, KeyError, TypeError) as error:
        reason = f"the call was cut off or is malformed: {error}"
        message.invalid_tool_calls.append(
            InvalidToolCall(
                type="invalid_tool_call", id=call_id, name=None, args=body, error=reason
            )
        )
        return
    message.tool_calls.append(ToolCall(type="tool_call", id=call_id, name=name, args=arguments))
