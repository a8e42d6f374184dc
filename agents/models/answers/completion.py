"""An OpenAI-compatible answer mended where LangChain would stumble over it."""

import json
from collections.abc import MutableMapping
from typing import Any

from metasynth.usage import plain_usage


def mend_completion(response: Any) -> None:
    """Bring a `chat.completion`, or a chunk of one, into the form that the protocol has for it.

    Arguments that are objects become JSON, calls without `function` get it, one call becomes a list
    of one, and usage that is no count is left out.

    Args:
        response: A dict or an object of the SDK; it is changed.
    """
    if response is None or isinstance(response, str):
        return
    if (usage := _get(response, "usage")) is not None:
        dump = getattr(usage, "model_dump", None)
        _put(response, "usage", plain_usage(dump(warnings=False) if dump else usage))
    choices = _get(response, "choices")
    for choice in choices if isinstance(choices, list) else ():
        if (message := _get(choice, "message")) is not None:
            _mend_message(message, whole=True)
        elif (delta := _get(choice, "delta")) is not None:
            _mend_message(delta, whole=False)


def _mend_message(message: Any, *, whole: bool) -> None:
    content = _get(message, "content")
    if isinstance(content, dict):
        _put(message, "content", [content])
    calls = _get(message, "tool_calls")
    if isinstance(calls, dict):
        calls = [calls]
        _put(message, "tool_calls", calls)
    for call in calls if isinstance(calls, list) else ():
        function = _get(call, "function")
        if function is None and _get(call, "name") is not None:
            function = {"name": _get(call, "name"), "arguments": _get(call, "arguments")}
            _put(call, "function", function)
        if function is None:
            continue
        arguments = _get(function, "arguments")
        if isinstance(arguments, str):
            if whole and arguments.strip() and not arguments.lstrip().startswith("{"):
                _put(function, "arguments", _as_object(arguments))
        elif arguments is not None:
            _put(function, "arguments", _as_object(json.dumps(arguments)))


def _as_object(arguments: str) -> str:
    """Arguments that are JSON, but no object, as one: decoded further, or under one key."""
    try:
        value = json.loads(arguments)
        while isinstance(value, str) and value.lstrip().startswith(("{", "[", '"')):
            value = json.loads(value)
    except ValueError:
        return arguments
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0]
    return json.dumps(value if isinstance(value, dict) else {"arguments": value})


def _get(holder: Any, name: str) -> Any:
    if isinstance(holder, MutableMapping):
        return holder.get(name)
    return getattr(holder, name, None)


def _put(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, MutableMapping):
        holder[name] = value
    else:
        setattr(holder, name, value)
