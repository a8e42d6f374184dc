"""Calls of tools without tools: JSON by `response_format`, and a conversation in plain messages.

For servers that enforce a JSON schema and drop tools, as llama.cpp does where a model's template
knows none. Each answer is one call, `{"call": {"tool": ..., "arguments": {...}}}`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from metasynth.agents.models.answers.cleaning import clean_answer

Tools = Sequence[Mapping[str, Any]]
_FORM = """\
Tools
{tools}

Answer with one JSON object and nothing else: {{"call": {{"tool": NAME, "arguments": {{...}}}}}}. \
You are told the result and then make the next call."""


def call_format(tools: Tools) -> dict[str, Any]:
    """The `response_format` that holds one call of `tools`, which are in OpenAI's format."""
    shapes = [_shape(tool["function"]) for tool in tools]
    schema = _object({"call": {"anyOf": shapes}})
    return {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}


def plain_messages(messages: Sequence[BaseMessage], tools: Tools) -> list[BaseMessage]:
    """The conversation without tool messages; user and assistant take turns.

    Args:
        messages: Begins with the system message.
        tools: What may be called; named in the system message.
    """
    names = {
        str(call["id"]): call["name"]
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    }
    plain: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, SystemMessage):
            plain.append(SystemMessage(f"{message.text}\n\n{_told(tools)}"))
        elif isinstance(message, AIMessage):
            calls = [_written(call["name"], call["args"]) for call in message.tool_calls]
            text = "\n".join(calls) or str(message.text) or "…"
            plain.append(AIMessage(text, id=message.id))
        else:
            text = str(message.text)
            if isinstance(message, ToolMessage):
                text = f"Result of {names.get(message.tool_call_id, 'the call')}: {text}"
            if plain and isinstance(plain[-1], HumanMessage):
                plain[-1] = HumanMessage(f"{plain[-1].text}\n\n{text}", id=plain[-1].id)
            else:
                plain.append(HumanMessage(text, id=message.id))
    return plain


def read_call(reply: AIMessage, tools: Tools) -> AIMessage:
    """The answer with the call that it writes; without one where it writes none."""
    return clean_answer(reply, tools=tools)


def _written(name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps({"call": {"tool": name, "arguments": arguments}}, ensure_ascii=False)


def _told(tools: Tools) -> str:
    lines = []
    for tool in tools:
        function = tool["function"]
        fields = function.get("parameters", {}).get("properties", {})
        arguments = "; ".join(
            f"{name}: {field.get('description', field.get('type', 'text'))}"
            for name, field in fields.items()
        )
        lines.append(f"- {function['name']}: {function.get('description', '')} ({arguments})")
    return _FORM.format(tools="\n".join(lines))


def _shape(function: Mapping[str, Any]) -> dict[str, Any]:
    parameters = function.get("parameters", {})
    fields = {name: _value(field) for name, field in parameters.get("properties", {}).items()}
    arguments = _object(fields, parameters.get("required", []))
    return _object({"tool": {"type": "string", "enum": [function["name"]]}, "arguments": arguments})


def _value(field: Mapping[str, Any]) -> dict[str, Any]:
    """The field within what all that compile schemas take: types, enums, lists."""
    kept = {key: field[key] for key in ("type", "enum") if key in field}
    if "items" in field:
        kept["items"] = _value(field["items"])
    return kept or {"type": "string"}


def _object(properties: dict[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }
