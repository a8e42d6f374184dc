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
_BLOCKS = "content_blocks"
_CALL_BLOCKS = frozenset({"tool_use", "tool_call", "function_call"})


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


def note_package(message: AIMessage, *, source: str) -> None:
    """Write down on a message of a package of LangChain's that what lies in it came with it.

    Packages keep what an endpoint sent in `additional_kwargs`, some of it by the calls' ids, and in
    blocks of the content (thinking with its signature).
    """
    kwargs = message.additional_kwargs
    if RECEIVED in kwargs:
        return
    ids = {str(call["id"]) for call in message.tool_calls}
    fields = {name: value for name, value in kwargs.items() if name not in _MESSAGE and value}
    by_call = {
        name: fields.pop(name)
        for name, value in list(fields.items())
        if isinstance(value, dict) and ids.issuperset(value)
    }
    calls = {
        call: {name: value[call] for name, value in by_call.items() if call in value}
        for call in sorted(ids)
        if any(call in value for value in by_call.values())
    }
    if fields or calls or _has_blocks(message):
        received = {"from": source, "fields": sorted(fields), "calls": calls, "blocks": True}
        kwargs[RECEIVED] = received


def _has_blocks(message: AIMessage) -> bool:
    """Whether a content is more than its text and its calls."""
    content = message.content if isinstance(message.content, list) else []
    return any(
        isinstance(block, dict)
        and block.get("type") not in _CALL_BLOCKS
        and not (block.get("type") == "text" and block.keys() <= {"type", "text", "index"})
        for block in content
    )


def carried(message: AIMessage, ids: Mapping[str, str]) -> Json:
    """The `additional_kwargs` with which a message goes into a history under other ids of calls."""
    received = message.additional_kwargs.get(RECEIVED)
    if not received:
        return {}
    calls = {ids[old]: own for old, own in received["calls"].items() if old in ids}
    fields = {name: message.additional_kwargs[name] for name in received["fields"]}
    if received.get("blocks") and _has_blocks(message):
        fields[_BLOCKS] = message.content
    return {**fields, RECEIVED: {**received, "fields": sorted(fields), "calls": calls}}


def for_package(message: AIMessage, *, source: str) -> AIMessage:
    """A turn as a package of LangChain's takes it, with what came with it from the same endpoint.

    A call that stands in its content under an id that the conversation does not know (it was cut
    away, or has another id now) is left out there: the package writes the call from `tool_calls`,
    and two would need two results.
    """
    received = message.additional_kwargs.get(RECEIVED)
    own: Json = {}
    content: Any = message.content
    if received and received["from"] != source:
        content = str(message.text)
    elif received:
        own = {name: message.additional_kwargs[name] for name in received["fields"]}
        content = own.pop(_BLOCKS, content)
        if not received.get("blocks"):
            own[RECEIVED] = received
        else:
            for call, values in received["calls"].items():
                for name, value in values.items():
                    own.setdefault(name, {})[call] = value
    if isinstance(content, list):
        known = {call["id"] for call in message.tool_calls}
        content = [block for block in content if not _is_lost_call(block, known)]
    turn = message.model_copy(update={"content": content, "additional_kwargs": own})
    if not (turn.tool_calls or str(turn.text).strip()):
        words = str(message.additional_kwargs.get("refusal") or NO_WORDS)
        blocks = content if isinstance(content, list) else []
        others = [block for block in blocks if isinstance(block, dict)]
        others = [block for block in others if block.get("type") != "text"]
        turn.content = [*others, {"type": "text", "text": words}] if others else words
    return turn


def _is_lost_call(block: Any, known: set[str | None]) -> bool:
    return (
        isinstance(block, dict)
        and block.get("type") in _CALL_BLOCKS
        and block.get("id", block.get("call_id")) not in known
    )


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
