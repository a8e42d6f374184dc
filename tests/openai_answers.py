"""What the test server can answer: good replies, every kind of bad one, and a default responder."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Reply:
    """An answer of the server.

    Attributes:
        content: Text of the message; None leaves it out.
        tool_calls: `{"name": ..., "arguments": dict | str}`; a string goes out as it is.
        finish_reason: By default `tool_calls` or `stop`.
        refusal: The model's refusal, in the field of its own that OpenAI has for it.
        usage: False leaves the token counts out.
        status: Of HTTP; other than 200 it sends `error`.
        error: The error object.
        headers: Further headers.
        delay_s: Time before the answer, beside the server's latency.
        chunk_delay_s: Time between the chunks of a stream.
        cut: The connection is dropped before anything is sent, or in the middle of the answer.
        raw_body: Sent instead of the answer or of the error object, as it is.
    """

    content: str | None = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    usage: bool = True
    status: int = 200
    error: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    cut: Literal["before_headers", "in_the_middle"] | None = None
    raw_body: str | None = None

    def completion(self, request: dict[str, Any]) -> dict[str, Any]:
        """As a `chat.completion` object."""
        message: dict[str, Any] = {"role": "assistant", "content": self.content}
        message["refusal"] = self.refusal
        if self.tool_calls:
            message["tool_calls"] = self._calls()
        choice = {"index": 0, "message": message, "finish_reason": self._reason()}
        completion = self._envelope(request, "chat.completion") | {"choices": [choice]}
        return completion | ({"usage": self._usage(request)} if self.usage else {})

    def chunks(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """As the `chat.completion.chunk` objects of a stream."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in re.findall(r"\s*\S+|\s+$", self.content or "")]
        deltas += [{"refusal": self.refusal}] if self.refusal else []
        for index, call in enumerate(self._calls()):
            function = call["function"]
            head = call | {"index": index, "function": function | {"arguments": ""}}
            deltas.append({"tool_calls": [head]})
            for piece in re.findall(r".{1,8}", function["arguments"], re.DOTALL):
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        envelope = self._envelope(request, "chat.completion.chunk")
        for delta in deltas:
            yield envelope | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield envelope | {"choices": [{"index": 0, "delta": {}, "finish_reason": self._reason()}]}
        if self.usage and (request.get("stream_options") or {}).get("include_usage"):
            yield envelope | {"choices": [], "usage": self._usage(request)}

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {
                "id": call.get("id", f"call_{index}"),
                "type": "function",
                "function": {
                    "name": call["name"],
                    "arguments": call["arguments"]
                    if isinstance(call["arguments"], str)
                    else json.dumps(call["arguments"]),
                },
            }
            for index, call in enumerate(self.tool_calls)
        ]

    def _reason(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    def _envelope(self, request: dict[str, Any], kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 0, "model": request.get("model")}

    def _usage(self, request: dict[str, Any]) -> dict[str, int]:
        prompt = max(1, len(json.dumps(request.get("messages", []))) // 4)
        answer = max(1, len((self.content or "") + json.dumps(self._calls())) // 4)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }


Fault = Literal[
    "rate_limited",
    "no_quota",
    "server_error",
    "unavailable",
    "wrong_key",
    "forbidden",
    "wrong_model",
    "context_length",
    "filtered",
    "bad_request",
]
_FAILURES: dict[Fault, tuple[int, str, str]] = {
    "rate_limited": (429, "rate_limit_exceeded", "Rate limit reached, slow down."),
    "no_quota": (429, "insufficient_quota", "You exceeded your current quota."),
    "server_error": (500, "server_error", "The server had an error."),
    "unavailable": (503, "unavailable", "The server is overloaded."),
    "wrong_key": (401, "invalid_api_key", "Incorrect API key provided."),
    "forbidden": (403, "forbidden", "This key may not use the model."),
    "wrong_model": (404, "model_not_found", "The model {model} does not exist."),
    "context_length": (
        400,
        "context_length_exceeded",
        "This model's maximum context length is 512 tokens, your messages resulted in 900 tokens.",
    ),
    "filtered": (400, "content_filter", "The prompt triggered our content management policy."),
    "bad_request": (400, "invalid_request_error", "Unknown parameter: top_q."),
}


def failure(
    fault: Fault, *, headers: dict[str, str] | None = None, model: str = "it", delay_s: float = 0.0
) -> Reply:
    """A reply with the status and the error object that servers send for it."""
    status, code, message = _FAILURES[fault]
    error = {"message": message.format(model=model), "type": code, "code": code, "param": None}
    return Reply(status=status, error=error, headers=headers or {}, delay_s=delay_s)


def default_responder(request: dict[str, Any]) -> Reply:
    """Does what it is asked with the least wit: calls tools, fills schemas, echoes.

    A tool is called where the request forces one, or where the last message is the user's; its
    arguments, like a JSON answer, are filled from the schema with words and numbers of it.
    """
    message = request["messages"][-1]
    text = _text(message.get("content"))
    tools = request.get("tools") or []
    choice = request.get("tool_choice")
    if tools and choice != "none" and (choice not in (None, "auto") or message["role"] == "user"):
        named = choice["function"]["name"] if isinstance(choice, dict) else None
        functions = [tool["function"] for tool in tools]
        function = next((item for item in functions if item["name"] == named), functions[0])
        arguments = _fill(function.get("parameters", {}), text)
        return Reply(content=None, tool_calls=({"name": function["name"], "arguments": arguments},))
    wanted = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return Reply(content=json.dumps(_fill(wanted["json_schema"]["schema"], text)))
    if wanted.get("type") == "json_object":
        keys = re.findall(r"'(\w+)'", text) or ["answer"]
        return Reply(content=json.dumps(dict.fromkeys(keys, "text")))
    return Reply(content=f"You said: {text or 'nothing'}")


def _text(content: object) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content if isinstance(part, dict))
    return str(content or "")


def _fill(schema: dict[str, Any], text: str, defs: dict[str, Any] | None = None) -> Any:
    """A value that fits a JSON schema."""
    defs = schema.get("$defs", {}) if defs is None else defs
    if "$ref" in schema:
        return _fill(defs[schema["$ref"].rpartition("/")[2]], text, defs)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _fill(schema["anyOf"][0], text, defs)
    kind = schema.get("type", "object")
    if kind == "object":
        return {
            name: _fill(item, text, defs) for name, item in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [_fill(schema.get("items", {"type": "string"}), text, defs)]
    digits = re.search(r"\d+", text)
    number = int(digits[0]) if digits else 1
    simple = {"integer": number, "number": float(number), "boolean": True, "null": None}
    quoted = re.search(r"'([^']+)'", text)
    return simple.get(kind, quoted[1] if quoted else " ".join(text.split()[:3]) or "word")
