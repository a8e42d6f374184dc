"""One thing that is done to every request to an endpoint's model, because it refused it once."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from metasynth.agents.models.conversation import alternating, before_user, in_words, without_system

Json = dict[str, Any]
Action = Literal[
    "leave out",
    "rename",
    "at most",
    "at least",
    "set",
    "merge system",
    "developer to system",
    "alternate",
    "calls in words",
    "close schemas",
    "bare schemas",
]
BARE = frozenset({"type", "properties", "required", "description", "enum", "items"})
"""What every known reader of a tool's schema takes."""
_ABOUT_ROLES: Mapping[str, str] = {
    "merge system": "the system message at the head of the first user message",
    "developer to system": "role system, not developer",
    "alternate": "messages of one side in a row as one",
    "calls in words": "tool calls and their results as text",
    "close schemas": "tool schemas that allow nothing further",
    "bare schemas": "tool schemas without bounds",
}


Conversation = list[Json]


def _plain_system(messages: Conversation) -> Conversation:
    return [
        {**message, "role": "system"} if message["role"] == "developer" else message
        for message in messages
    ]


def _spoken(messages: Conversation) -> Conversation:
    """Calls and their results in words, the results under their tools' names."""
    names = {
        call["id"]: call["function"]["name"]
        for message in messages
        for call in message.get("tool_calls") or ()
    }
    named = [
        {"name": names.get(message["tool_call_id"], "the tool"), **message}
        if message["role"] == "tool"
        else message
        for message in messages
    ]
    return alternating([in_words(message) for message in named])


_CONVERSATION: Mapping[str, Callable[[Conversation], Conversation]] = {
    "merge system": without_system,
    "developer to system": _plain_system,
    "alternate": alternating,
    "calls in words": _spoken,
}


@dataclass(frozen=True)
class Change:
    """What is done to a request.

    Attributes:
        action: What.
        field: A field of the request (`temperature`, also one of `extra_body`), or a key anywhere
            in its `tools`, `messages` or `response_format` (`tools.maxLength`).
        value: The new name, the bound, or the new value.
    """

    action: Action
    field: str = ""
    value: Any = None

    def __hash__(self) -> int:  # a value may be an object of JSON
        return hash(json.dumps(self.as_json(), sort_keys=True))

    def __str__(self) -> str:
        match self.action:
            case "leave out":
                return f"without {self.field}"
            case "rename":
                return f"{self.field} as {self.value}"
            case "at most" | "at least":
                return f"{self.field} {self.action} {self.value}"
            case "set":
                kind = self.value["type"] if isinstance(self.value, dict) else self.value
                return f"{self.field} {kind if kind != '' else 'empty'}"
        return _ABOUT_ROLES[self.action]

    def as_json(self) -> list[Any]:
        """For a file."""
        return [self.action, self.field, self.value]

    @classmethod
    def from_json(cls, data: Any) -> "Change":
        """What `as_json` gave.

        Raises:
            ValueError: It is something else.
        """
        match data:
            case [str(action), str(field), value] if action in get_args(Action):
                return cls(action, field, value)  # type: ignore[arg-type]
        raise ValueError(f"no change of a request: {data!r}")

    def apply(self, request: Json) -> Json:
        """The request so changed; the same object where there is nothing to change."""
        if self.action in _CONVERSATION:
            return _replaced(request, "messages", _CONVERSATION[self.action](request["messages"]))
        match self.action:
            case "leave out":
                return self._left_out(request)
            case "rename":
                return _on_field(request, self.field, lambda value: {self.value: value})
            case "at most" | "at least":
                return _on_field(request, self.field, self._bounded)
            case "close schemas":
                return _each_schema(request, _closed)
            case "bare schemas":
                return _each_schema(request, _bare)
        return self._set(request)

    def _left_out(self, request: Json) -> Json:
        root, dot, key = self.field.partition(".")
        if dot:
            return _replaced(request, root, _without_key(request.get(root), key))
        told = _told_form(request) if self.field == "response_format" else request
        return _on_field(told, self.field, lambda _: {})

    def _set(self, request: Json) -> Json:
        if self.field == "messages.content":
            filled = [self._with_content(message) for message in request["messages"]]
            return _replaced(request, "messages", filled)
        if self.field == "response_format" and self.field in request:
            return {**_told_form(request), self.field: self.value}
        return _on_field(request, self.field, lambda _: {self.field: self.value})

    def _bounded(self, value: Any) -> Json:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return {self.field: value}
        bound = min if self.action == "at most" else max
        return {self.field: bound(value, self.value)}

    def _with_content(self, message: Json) -> Json:
        return message if message.get("content") is not None else {**message, "content": self.value}


def _replaced(request: Json, name: str, value: Any) -> Json:
    return request if request.get(name) == value else {**request, name: value}


def _on_field(request: Json, name: str, change: Callable[[Any], Json]) -> Json:
    """`request` with `change(value)` instead of a field, which may be one of `extra_body`."""
    if name in request:
        rest = {key: value for key, value in request.items() if key != name}
        changed = rest | change(request[name])
        return request if changed == request else changed
    extra = request.get("extra_body")
    if isinstance(extra, dict) and name in extra:
        return _replaced(request, "extra_body", _on_field(extra, name, change))
    return request


def _without_key(value: Any, key: str, *, named: bool = False) -> Any:
    """`value` without a key at any depth; names of a schema's properties are no keys."""
    if isinstance(value, list):
        return [_without_key(item, key) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_key(item, key, named=name == "properties" and not named)
        for name, item in value.items()
        if named or name != key
    }


def _told_form(request: Json) -> Json:
    """The request with the wanted form in words, before the first user message."""
    form = request.get("response_format")
    if not isinstance(form, dict) or "json_schema" not in form:
        return request
    schema = json.dumps(form["json_schema"].get("schema", {}), ensure_ascii=False)
    text = f"Answer with JSON that fits this schema:\n{schema}"
    return {**request, "messages": before_user(request["messages"], text)}


def _each_schema(request: Json, change: Callable[[Any], Any]) -> Json:
    tools = request.get("tools")
    if not isinstance(tools, list):
        return request
    changed = [
        {
            **tool,
            "function": {**tool["function"], "parameters": change(tool["function"]["parameters"])},
        }
        if "parameters" in tool.get("function", {})
        else tool
        for tool in tools
    ]
    return _replaced(request, "tools", changed)


def _closed(schema: Any) -> Any:
    """As strict modes want objects: all properties required, nothing beside them."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(item) for key, item in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed |= {"additionalProperties": False, "required": list(schema["properties"])}
    return closed


def _bare(schema: Any) -> Any:
    """With nothing but what every known reader takes."""
    if not isinstance(schema, dict):
        return schema
    bare = {key: item for key, item in schema.items() if key in BARE}
    if isinstance(bare.get("properties"), dict):
        bare["properties"] = {name: _bare(item) for name, item in bare["properties"].items()}
    if "items" in bare:
        bare["items"] = _bare(bare["items"])
    return bare
