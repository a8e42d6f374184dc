"""What endpoints refuse of a request: a bend for each row of the kind, and variants of it.

Each refuses as the endpoint does that is known for it, in its own words and its own form of body.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from tests.openai_answers import Reply

from .bend import Bend, Json, refusal

Check = Callable[[Json], bool]


def refusing(name: str, when: Check, reply: Reply) -> Bend:
    """A bend that gives `reply` to each request for which `when` is true."""
    return Bend(name, refuse=lambda body: reply if when(body) else None)


def in_form(body: Any, status: int = 400) -> Reply:
    """A refusal with a body of another form than OpenAI's."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(status=status, raw_body=text)


def forbidden(*loc: str | int) -> Reply:
    """How pydantic says that a field is one too many (vLLM, Mistral)."""
    detail = {"type": "extra_forbidden", "loc": ["body", *loc], "msg": "Extra inputs are not ok"}
    return in_form({"detail": [detail]}, 422)


def sends(*path: str) -> Check:
    """The request has this field, at this path."""

    def check(body: Json) -> bool:
        value: Any = body
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value is not None

    return check


def call_ids(body: Json) -> list[str]:
    """All ids of calls in a request, of calls and of results."""
    ids = [message["tool_call_id"] for message in body["messages"] if "tool_call_id" in message]
    for message in body["messages"]:
        ids += [call["id"] for call in message.get("tool_calls") or ()]
    return ids


def ids_unlike(pattern: str) -> Check:
    """Some id of a call is not of this form."""
    return lambda body: any(not re.fullmatch(pattern, id_) for id_ in call_ids(body))


def schemas(value: Any) -> Iterator[Json]:
    """Each schema inside the tools of a request."""
    if isinstance(value, list):
        for item in value:
            yield from schemas(item)
    elif isinstance(value, dict):
        yield value
        for key, item in value.items():
            if key == "properties":
                yield from (each for schema in item.values() for each in schemas(schema))
            else:
                yield from schemas(item)


def schemas_with(*keys: str) -> Check:
    """Some schema of a tool has one of these keywords."""
    return lambda body: any(key in schema for schema in schemas(body.get("tools")) for key in keys)


def with_empty_enum(body: Json) -> bool:
    """Some enum of a tool has an empty string."""
    return any("" in schema.get("enum", ()) for schema in schemas(body.get("tools")))


def roles(body: Json) -> list[str]:
    """The roles of a request's messages."""
    return [message["role"] for message in body["messages"]]


def same_side_twice(body: Json) -> bool:
    """Roles do not alternate, results of tools aside; or a system message stands there."""
    sides = [role for role in roles(body) if role != "tool"]
    return "system" in sides or any(a == b == "user" for a, b in pairwise(sides))


def empty_assistant(body: Json) -> bool:
    """An assistant's message without words and calls."""
    return any(
        message["role"] == "assistant"
        and not message.get("tool_calls")
        and not str(message.get("content") or "").strip()
        for message in body["messages"]
    )


def answers_with(name: str, message: Json, call: Json, missing: Reply) -> Bend:
    """An endpoint that adds fields to its turns with calls and wants them back."""

    def change(_: Json, completion: Json) -> Json:
        answer = completion["choices"][0]["message"]
        if answer.get("tool_calls"):
            answer |= message
            for each in answer["tool_calls"]:
                each |= call
        return completion

    def lacks(body: Json) -> bool:
        turns = [turn for turn in body["messages"] if turn.get("tool_calls")]
        return any(turn | message != turn for turn in turns) or any(
            each | call != each for turn in turns for each in turn["tool_calls"]
        )

    return Bend(name, refuse=lambda body: missing if lacks(body) else None, change=change)


MISTRAL_IDS = refusing(
    "nine letters or digits",
    ids_unlike("[a-zA-Z0-9]{9}"),
    in_form(
        {
            "object": "error",
            "message": "Tool call id was 1 but must be a-z, A-Z, 0-9, with a length of 9.",
            "type": "invalid_function_call",
            "code": 3280,
        }
    ),
)
CLAUDE_IDS = refusing(
    "letters, digits, _ and -",
    ids_unlike("[a-zA-Z0-9_-]+"),
    refusal("tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"),
)
OPENAI_IDS = refusing(
    "ids of 40 characters",
    ids_unlike(".{1,40}"),
    refusal("Invalid 'tool_calls[0].id': string too long. Expected at most 40 characters."),
)
SAME_IDS = refusing(
    "ids that are unlike",
    lambda body: 2 * len(set(call_ids(body))) != len(call_ids(body)),
    refusal("Duplicate value for 'tool_call_id'"),
)

SCHEMAS = [
    refusing(
        "no empty string in an enum",
        with_empty_enum,
        refusal("tools[0].function_declarations[0].parameters.enum[0]: cannot be empty"),
    ),
    refusing(
        "no unions, defaults, formats, additionalProperties",
        schemas_with("anyOf", "oneOf", "allOf", "default", "format", "additionalProperties"),
        refusal("Unknown keyword in a function declaration"),
    ),
]

FIELDS_BACK = [
    answers_with(
        "a thought's signature goes back",
        {},
        {"extra_content": {"google": {"thought_signature": "EiYKJGUy"}}},
        refusal("Function call `consult` is missing a `thought_signature`."),
    ),
    answers_with(
        "thinking goes back",
        {"reasoning_content": "They want a document."},
        {},
        refusal("Missing `reasoning_content` in the assistant message."),
    ),
    answers_with(
        "details of thinking go back",
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAAA", "index": 0}]},
        {},
        refusal("reasoning_details must be passed back"),
    ),
]

FIELDS = [
    refusing(
        "no required choice (Qwen)",
        lambda body: body.get("tool_choice") == "required",
        refusal("The tool_choice parameter does not support being set to required"),
    ),
    refusing(
        "no required choice (OpenRouter)",
        lambda body: body.get("tool_choice") == "required",
        in_form(
            {
                "error": {
                    "message": "No endpoints found that support the provided 'tool_choice' value.",
                    "code": 404,
                }
            },
            404,
        ),
    ),
    refusing("no choice at all", sends("tool_choice"), forbidden("tool_choice")),
    refusing(
        "temperature 1 alone",
        sends("temperature"),
        refusal(
            "Unsupported value: 'temperature' does not support 0.3 with this model. Only the "
            "default (1) value is supported.",
            code="unsupported_value",
            param="temperature",
        ),
    ),
    refusing(
        "max_completion_tokens alone",
        sends("max_tokens"),
        refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            param="max_tokens",
        ),
    ),
    refusing(
        "a limit of 64 tokens",
        lambda body: body.get("max_tokens", 0) > 64,
        refusal("max_tokens is too large. This model supports at most 64 completion tokens."),
    ),
    refusing(
        "a limit without a number",
        lambda body: body.get("max_tokens", 0) > 200,
        refusal("`max_tokens` is too large for this model"),
    ),
    refusing(
        "no limit at all",
        lambda body: bool(body.keys() & {"max_tokens", "max_completion_tokens"}),
        refusal("A limit such as max_tokens or max_completion_tokens is not supported"),
    ),
    refusing("seed unknown (pydantic)", sends("seed"), forbidden("seed")),
    refusing(
        "seed unknown (Gemini)",
        sends("seed"),
        in_form(
            [
                {
                    "error": {
                        "code": 400,
                        "message": "Invalid JSON payload received. "
                        'Unknown name "seed": Cannot find field.',
                        "status": "INVALID_ARGUMENT",
                    }
                }
            ]
        ),
    ),
    refusing(
        "seed unknown (Mistral)",
        sends("seed"),
        in_form(
            {
                "object": "error",
                "message": {
                    "detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra"}]
                },
            },
            422,
        ),
    ),
    refusing("seed unknown (in words)", sends("seed"), in_form("seed is not a valid argument")),
    refusing("seed unknown (500)", sends("seed"), in_form("Unsupported option: seed", 500)),
    refusing("a field of one's own", sends("top_k"), refusal("Unrecognized argument: top_k")),
    refusing(
        "everything at once",
        lambda body: bool(body.keys() & {"seed", "temperature", "tool_choice"}),
        in_form(
            {
                "detail": [
                    {"loc": ["body", name], "msg": "Extra inputs are not permitted"}
                    for name in ("seed", "temperature", "tool_choice")
                ]
            },
            422,
        ),
    ),
]

ROLES = [
    refusing(
        "no system role (Gemma)",
        lambda body: "system" in roles(body),
        in_form({"error": {"message": "System role not supported", "code": 400}}),
    ),
    refusing(
        "no system role (pydantic)",
        lambda body: "system" in roles(body),
        in_form(
            {
                "detail": [
                    {
                        "type": "literal_error",
                        "loc": ["body", "messages", 0, "role"],
                        "msg": "Input should be 'user', 'assistant' or 'tool'",
                    }
                ]
            },
            422,
        ),
    ),
    refusing(
        "strict alternation",
        same_side_twice,
        in_form("Conversation roles must alternate user/assistant/user/assistant/...", 500),
    ),
    refusing(
        "no empty assistant",
        empty_assistant,
        refusal("the message at position 2 with role 'assistant' must not be empty"),
    ),
    refusing(
        "no null",
        lambda body: any(message.get("content", "") is None for message in body["messages"]),
        in_form({"detail": [{"loc": ["body", "messages", 2, "content"], "msg": "no string"}]}, 422),
    ),
]


def _form_type(body: Json) -> str:
    return str((body.get("response_format") or {}).get("type"))


NO_SCHEMA = refusing(
    "json_object, no json_schema (DeepSeek)",
    lambda body: _form_type(body) == "json_schema",
    refusal("This response_format type is unavailable now"),
)
FORMS = [
    NO_SCHEMA,
    refusing(
        "json_object, no json_schema (pydantic)",
        lambda body: _form_type(body) == "json_schema",
        in_form(
            {
                "detail": [
                    {"loc": ["body", "response_format", "type"], "msg": "text or json_object"}
                ]
            },
            422,
        ),
    ),
    refusing(
        "no response_format",
        sends("response_format"),
        refusal("Unrecognized request argument supplied: response_format"),
    ),
    refusing(
        "no strict",
        sends("response_format", "json_schema", "strict"),
        forbidden("response_format", "json_schema", "strict"),
    ),
]

REQUESTS = [
    *(MISTRAL_IDS, CLAUDE_IDS, OPENAI_IDS, SAME_IDS),
    *SCHEMAS,
    *FIELDS_BACK,
    *FIELDS,
    *ROLES,
]
"""Every row of the kind."""
