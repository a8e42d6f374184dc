"""One cleaning for the answers of all models, before anybody reads them.

It takes off thinking and special tokens, and reads the tool calls that a model wrote into its text
or with loose arguments. Forms of answers, such as fences and preambles, are `forms`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall

from .arguments import fitted_arguments
from .loose_json import loose_json
from .special_tokens import without_special_tokens
from .text_calls import calls_in, marked_call, text_before
from .thinking import Split, split_thinking
from .tool_names import known_name, schemas_by_name

REASONING = "metasynth_reasoning"
"""The key of `additional_kwargs` under which thinking lies that stood in a text."""
_FIELDS = (REASONING, "reasoning_content", "reasoning", "thinking", "reasoning_details")
_BLOCKS = ("thinking", "reasoning", "reasoning_content", "redacted_thinking", "thought")
_WORDS = ("text", "thinking", "reasoning", "reasoning_text", "reasoning_content", "summary")
_PASSES = 4


def clean_answer(
    message: AIMessage, *, tools: Sequence[Mapping[str, Any]] | None = None
) -> AIMessage:
    """The answer as it was meant; one that needs no cleaning comes back as the same object.

    Args:
        message: As the model, or the ledger, gave it; it is not changed.
        tools: What was offered, in OpenAI's format.

    Returns:
        The message with its text free of thinking (see `reasoning_of`) and of special tokens at its
        ends, with calls in `tool_calls` wherever the model put them, and with arguments that fit
        the tools' schemas where the meaning is plain.
    """
    schemas = schemas_by_name(tools or ())
    update: dict[str, Any] = {}
    text = str(message.text)
    said, thought = clean_text(text, tools_offered=bool(schemas))
    if schemas:
        calls, invalid = _native_calls(message, schemas)
        calls = calls or _older_call(message, schemas)
        if not calls:
            source = said if said.strip() else reasoning_of(message)
            before, calls, broken = _calls_of_text(source, schemas)
            if calls or broken:
                invalid = [*invalid, *broken]
                said = before if said.strip() else said
        if calls != message.tool_calls or invalid != message.invalid_tool_calls:
            update |= {"tool_calls": calls, "invalid_tool_calls": invalid}
    if said != text:
        update["content"] = _with_text(message.content, said)
    if thought:
        earlier = message.additional_kwargs.get(REASONING, "")
        thought = "\n\n".join(filter(None, (earlier, thought)))
        update["additional_kwargs"] = {**message.additional_kwargs, REASONING: thought}
    return message.model_copy(update=update) if update else message


def clean_text(text: str, *, tools_offered: bool = False) -> Split:
    """The text without thinking and special tokens, and the thinking; cleaning it again changes
    nothing."""
    rest, thoughts = text, []
    for _ in range(_PASSES):
        before = rest
        rest = without_special_tokens(rest)
        rest, thought = split_thinking(rest, tools_offered=tools_offered)
        thoughts.append(thought)
        if rest == before:
            break
    return Split(rest, "\n\n".join(filter(None, thoughts)))


def reasoning_of(message: AIMessage) -> str:
    """What a model thought before its answer, wherever it lies; "" where nothing is known of it."""
    for name in _FIELDS:
        if words := _words(message.additional_kwargs.get(name)):
            return words
    content = message.content
    blocks = content if isinstance(content, list) else []
    return _words([one for one in blocks if isinstance(one, dict) and one.get("type") in _BLOCKS])


def _words(part: Any) -> str:
    """The words in a field or a block of thinking, whose shapes differ."""
    if isinstance(part, str):
        return part.strip()
    if isinstance(part, list):
        return "\n\n".join(filter(None, map(_words, part)))
    if isinstance(part, Mapping):
        return next(filter(None, (_words(part.get(name)) for name in _WORDS)), "")
    return ""


def _with_text(content: str | list[Any], text: str) -> str | list[Any]:
    """The content with other text; blocks that are no text keep their place before it."""
    if isinstance(content, str):
        return text
    others = [one for one in content if isinstance(one, dict) and one.get("type") != "text"]
    return [*others, {"type": "text", "text": text}] if others else text


def _native_calls(
    message: AIMessage, schemas: Mapping[str, Mapping[str, Any]]
) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """The calls that came as such, with names and arguments as the tools have them."""
    calls: list[ToolCall] = []
    for call in message.tool_calls:
        name = known_name(call["name"], schemas)
        if name is None:
            calls.append(call)
            continue
        arguments = fitted_arguments(call["args"], schemas[name])
        calls.append(
            call
            if name == call["name"] and arguments == call["args"]
            else ToolCall(type="tool_call", id=call["id"], name=name, args=arguments)
        )
    invalid: list[InvalidToolCall] = []
    for broken in message.invalid_tool_calls:
        name = known_name(broken.get("name") or "", schemas)
        try:
            arguments = fitted_arguments(
                loose_json(broken.get("args") or "{}"), schemas[name or ""]
            )
        except (ValueError, KeyError):
            arguments = None
        if name is not None and isinstance(arguments, dict):
            calls.append(ToolCall(type="tool_call", id=broken.get("id"), name=name, args=arguments))
        else:
            invalid.append(broken)
    return calls, invalid


def _older_call(message: AIMessage, schemas: Mapping[str, Mapping[str, Any]]) -> list[ToolCall]:
    """The one call of OpenAI's first form of calling functions."""
    call = message.additional_kwargs.get("function_call")
    name = known_name(str(call.get("name")), schemas) if isinstance(call, dict) else None
    if not isinstance(call, dict) or name is None:
        return []
    arguments = fitted_arguments(call.get("arguments"), schemas[name])
    if not isinstance(arguments, dict):
        return []
    return [ToolCall(type="tool_call", id="call-0", name=name, args=arguments)]


def _calls_of_text(
    text: str, schemas: Mapping[str, Mapping[str, Any]]
) -> tuple[str, list[ToolCall], list[InvalidToolCall]]:
    """What a text says before its calls, its calls, and what means to be one and cannot be read."""
    calls: list[ToolCall] = []
    parsed = calls_in(text, schemas)
    for call in parsed:
        arguments = fitted_arguments(call.arguments, schemas[call.name])
        if isinstance(arguments, dict):
            name, number = call.name, len(calls)
            calls.append(ToolCall(type="tool_call", id=f"text-{number}", name=name, args=arguments))
    if calls:
        return text_before(text, parsed[0].start), calls, []
    if marked := marked_call(text):
        broken = InvalidToolCall(
            type="invalid_tool_call",
            id="text-0",
            name=marked.name,
            args=marked.body,
            error="the call was cut off or is malformed",
        )
        return text[: marked.start].strip(), [], [broken]
    return text, [], []
