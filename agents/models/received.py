"""What came with an assistant turn beside text and calls, and goes back with it.

Endpoints add fields of their own to a message (`reasoning_content`, `reasoning_details`) and to its
calls (`extra_content` with a thought's signature), and some refuse the next request without them.
They lie in `additional_kwargs` under their own names; `received` beside them says who sent them,
so that no other endpoint ever sees them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

Json = dict[str, Any]
RECEIVED = "received"
_MESSAGE = frozenset(
    {"role", "content", "tool_calls", "function_call", "audio", "refusal", "parsed", "annotations"}
)
_CALL = frozenset({"id", "type", "function", "index"})
_TEXTS = ("text", "summary", "data", "content", "thinking")  # in pieces; other values are repeated
NO_WORDS = "(no answer)"
"""What stands for an answer without words and calls: many endpoints refuse an empty message."""


def own_fields(message: Mapping[str, Any]) -> Json:
    """The fields of a message, or of a piece of one, that the protocol does not know."""
    return {
        name: value for name, value in message.items() if name not in _MESSAGE and value is not None
    }


def own_call_fields(calls: Iterable[Mapping[str, Any]]) -> list[Json]:
    """The same for each tool call, fields inside `function` under that name."""
    return [_call_fields(call) for call in calls]


def _call_fields(call: Mapping[str, Any]) -> Json:
    own = {name: value for name, value in call.items() if name not in _CALL and value is not None}
    function = call.get("function")
    if isinstance(function, Mapping):
        names = function.keys() - {"name", "arguments"}
        inner = {name: function[name] for name in sorted(names) if function[name] is not None}
        own |= {"function": inner} if inner else {}
    return own


def note(message: AIMessage, fields: Json, calls: Sequence[Json], *, source: str) -> None:
    """Write down on a message what came with it; its calls get ids where they have none.

    Args:
        fields: Of the message.
        calls: Of each call, in the order in which they came.
        source: Names endpoint and model.
    """
    parsed = message.tool_calls
    broken = message.invalid_tool_calls
    seen: set[str] = set()
    for index, call in enumerate([*parsed, *broken]):
        if not call.get("id") or call["id"] in seen:
            call["id"] = f"call{index}"
        seen.add(str(call["id"]))
    whole = parsed if not broken else broken if not parsed else []
    of_calls = {str(call["id"]): own for call, own in zip(whole, calls, strict=False) if own}
    if fields or of_calls:
        received = {"from": source, "fields": sorted(fields), "calls": of_calls}
        message.additional_kwargs |= {**fields, RECEIVED: received}


def carried(message: AIMessage, ids: Mapping[str, str]) -> Json:
    """The `additional_kwargs` with which a message goes into a history under other ids of calls."""
    received = message.additional_kwargs.get(RECEIVED)
    if not received:
        return {}
    calls = {ids[old]: own for old, own in received["calls"].items() if old in ids}
    fields = {name: message.additional_kwargs[name] for name in received["fields"]}
    return {**fields, RECEIVED: {**received, "calls": calls}}


def without_thoughts(message: BaseMessage) -> BaseMessage:
    """The message without what came with it, but for what belongs to its calls."""
    received = message.additional_kwargs.get(RECEIVED)
    if not received or not received["fields"]:
        return message
    kept = {RECEIVED: {**received, "fields": []}}
    return message.model_copy(update={"additional_kwargs": kept})


def give_back(wire: Json, message: BaseMessage, *, source: str) -> None:
    """Add to a message as it goes out what came with it from the same endpoint and model."""
    received = message.additional_kwargs.get(RECEIVED)
    if received and received["from"] == source:
        wire |= {name: message.additional_kwargs[name] for name in received["fields"]}
        for call in wire.get("tool_calls") or ():
            own = dict(received["calls"].get(call["id"], {}))
            call["function"] |= own.pop("function", {})
            call |= own
    if wire["role"] == "assistant" and not wire.get("tool_calls"):
        content = wire.get("content")
        if not content or (isinstance(content, str) and not content.strip()):
            wire["content"] = str(message.additional_kwargs.get("refusal") or NO_WORDS)


class Pieces:
    """The same fields of an answer that comes in pieces."""

    def __init__(self) -> None:
        self.fields: Json = {}
        self._calls: dict[int, Json] = {}

    @property
    def calls(self) -> list[Json]:
        """Of each call."""
        return [self._calls.get(index, {}) for index in range(max(self._calls, default=-1) + 1)]

    def add(self, delta: Mapping[str, Any]) -> None:
        """Take a piece in."""
        self.fields = _joined(self.fields, own_fields(delta), inside="")
        for place, call in enumerate(delta.get("tool_calls") or ()):
            index = call.get("index")
            index = index if isinstance(index, int) else place
            if own := _call_fields(call):
                self._calls[index] = _joined(self._calls.get(index, {}), own, inside="call")


def _joined(before: Any, piece: Any, *, inside: str) -> Any:
    """Two pieces of a value: texts grow, lists grow or are joined by `index`, others are kept."""
    if before is None:
        return piece
    if isinstance(before, dict) and isinstance(piece, dict):
        joined = dict(before)
        for name, value in piece.items():
            joined[name] = _joined(joined.get(name), value, inside=f"{inside}.{name}")
        return joined
    if isinstance(before, list) and isinstance(piece, list):
        return _joined_lists(before, piece, inside)
    if isinstance(before, str) and isinstance(piece, str):
        name = inside.rpartition(".")[2]
        grows = name in _TEXTS or (inside.count(".") == 1 and inside.startswith("."))
        return before + piece if grows else piece or before
    return piece


def _joined_lists(before: list[Any], piece: list[Any], inside: str) -> list[Any]:
    joined = list(before)
    for item in piece:
        index = item.get("index") if isinstance(item, dict) else None
        for place, other in enumerate(joined):
            if index is not None and isinstance(other, dict) and other.get("index") == index:
                joined[place] = _joined(other, item, inside=f"{inside}[]")
                break
        else:
            joined.append(item)
    return joined
