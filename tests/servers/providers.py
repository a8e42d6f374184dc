"""The test server behind the protocols of providers: Anthropic, Gemini, Ollama, Cohere, Azure.

A request is put into the form of OpenAI, in which it is recorded and given to the responder, and
the answer is put back. Errors go out in the form of the protocol. Streams are spoken by Anthropic's
protocol, and by what speaks OpenAI's under another address (Azure, Groq).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from aiohttp import web

from tests.bends.bend import Bend
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer, Received

Json = dict[str, Any]


class Protocol(NamedTuple):
    """How one provider's requests and answers are written."""

    request: Callable[[Json], Json]
    answer: Callable[[Json], Json]
    error: Callable[[Reply], Any]
    events: Callable[[Json], list[Json]] | None = None


FINGERPRINT = Bend(  # one SDK insists on the field
    "a fingerprint", change=lambda _, completion: completion | {"system_fingerprint": "fp"}
)


class ProviderServer(OpenAIServer):
    """The server; `wire` has the bodies as they came, `base` is its address without a path.

    Args:
        bends: Quirks, written for the bodies of the protocol that is spoken.
    """

    def __init__(self, *args: Any, bends: Sequence[Bend] = (), **options: Any) -> None:
        super().__init__(*args, bends=[FINGERPRINT, *bends], **options)
        self.wire: list[Json] = []
        self._quirks = bends

    @property
    def base(self) -> str:
        """Address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Those of OpenAI, and the providers'."""
        super().add_routes(router)
        router.add_post("/chat/completions", self._chat)
        router.add_post("/inference/v1/chat/completions", self._chat)
        router.add_post("/openai/v1/chat/completions", self._chat)
        router.add_post("/openai/deployments/{name}/chat/completions", self._chat)
        router.add_post("/v1/messages", self._speaking(ANTHROPIC))
        router.add_post("/api/chat", self._speaking(OLLAMA))
        router.add_post("/v2/chat", self._speaking(COHERE))
        router.add_post("/{version}/models/{name}:generateContent", self._speaking(GEMINI))

    def _speaking(self, protocol: Protocol) -> Callable[[web.Request], Any]:
        async def respond(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            self.wire.append(body)
            asked = {"model": request.match_info.get("name", ""), **protocol.request(body)}
            self.received.append(Received(asked, dict(request.headers), 0.0))
            refused = next((r for bend in self._quirks if (r := bend.refuse(body))), None)
            answer = refused or self.responder(asked)
            reply = Reply(content=answer) if isinstance(answer, str) else answer
            if reply.status != 200:
                body = protocol.error(reply)
                return web.json_response(body, status=reply.status, headers=reply.headers)
            answered: Json | str = protocol.answer(reply.completion(asked))
            for bend in self._quirks:
                assert isinstance(answered, dict)
                answered = bend.change(body, answered)
            if body.get("stream") and protocol.events:
                assert isinstance(answered, dict)
                lines = "".join(
                    f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
                    for event in protocol.events(answered)
                )
                return web.Response(text=lines, content_type="text/event-stream")
            return web.json_response(answered)

        return respond


def _parts(completion: Json) -> tuple[str, list[Json], Json]:
    """Text, calls and token counts of a completion."""
    message = completion["choices"][0]["message"]
    calls = [
        {
            "id": call["id"],
            "name": call["function"]["name"],
            "arguments": json.loads(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls", ())
    ]
    return message["content"] or "", calls, completion.get("usage") or {}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(block.get("text", "") for block in content)
    return content or ""


def _call(name: str, arguments: Any, call_id: str) -> Json:
    return {"id": call_id, "function": {"name": name, "arguments": json.dumps(arguments)}}


def _tool(name: str, description: str, schema: Json) -> Json:
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


def _from_anthropic(body: Json) -> Json:
    messages: list[Json] = []
    if body.get("system"):
        messages.append({"role": "system", "content": _text(body["system"])})
    for message in body["messages"]:
        blocks = message["content"]
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        results = [block for block in blocks if block["type"] == "tool_result"]
        messages += [
            {
                "role": "tool",
                "tool_call_id": block["tool_use_id"],
                "content": _text(block["content"]),
            }
            for block in results
        ]
        if not results:
            calls = [
                _call(block["name"], block["input"], block["id"])
                for block in blocks
                if block["type"] == "tool_use"
            ]
            told = {"role": message["role"], "content": _text(blocks)}
            messages.append(told | ({"tool_calls": calls} if calls else {}))
    asked: Json = {"messages": messages, "model": body["model"]}
    if body.get("tools"):
        asked["tools"] = [
            _tool(tool["name"], tool.get("description", ""), tool["input_schema"])
            for tool in body["tools"]
        ]
        choice = body.get("tool_choice") or {}
        asked["tool_choice"] = {"any": "required"}.get(choice.get("type", ""), "auto")
        if choice.get("type") == "tool":
            asked["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    if form := (body.get("output_config") or {}).get("format"):
        schema = {"name": "form", "schema": form["schema"]}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked


def _anthropic_events(answer: Json) -> list[Json]:
    """An answer as a stream's events, a text in two pieces."""
    usage = answer["usage"]
    begun = answer | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    events: list[Json] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(answer["content"]):
        place = {"index": index}
        start, deltas = _anthropic_deltas(block)
        events.append({"type": "content_block_start", **place, "content_block": start})
        events += [{"type": "content_block_delta", **place, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", **place})
    ending = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": usage})
    return [*events, {"type": "message_stop"}]


def _anthropic_deltas(block: Json) -> tuple[Json, list[Json]]:
    """How a block begins in a stream, and what is added to it."""
    if block["type"] == "tool_use":
        return block | {"input": {}}, [
            {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        ]
    if block["type"] == "thinking":
        return block | {"thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    text, half = block["text"], len(block["text"]) // 2
    return block | {"text": ""}, [
        {"type": "text_delta", "text": piece} for piece in (text[:half], text[half:])
    ]


def _to_anthropic(completion: Json) -> Json:
    text, calls, usage = _parts(completion)
    content: list[Json] = [{"type": "text", "text": text}] if text else []
    content += [
        {
            "type": "tool_use",
            "id": f"toolu_{call['id']}",
            "name": call["name"],
            "input": call["arguments"],
        }
        for call in calls
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": completion["model"],
        "content": content,
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.get("prompt_tokens", 0),
            "output_tokens": usage.get("completion_tokens", 0),
        },
    }


def _from_gemini(body: Json) -> Json:
    messages: list[Json] = []
    if "systemInstruction" in body:
        messages.append({"role": "system", "content": _text(body["systemInstruction"]["parts"])})
    for item in body["contents"]:
        role = "assistant" if item["role"] == "model" else "user"
        for part in item["parts"]:
            if "functionResponse" in part:
                result = json.dumps(part["functionResponse"]["response"])
                messages.append({"role": "tool", "content": result})
        calls = [
            _call(part["functionCall"]["name"], part["functionCall"].get("args", {}), "call")
            for part in item["parts"]
            if "functionCall" in part
        ]
        text = _text([part for part in item["parts"] if "text" in part])
        if text or calls:
            told = {"role": role, "content": text}
            messages.append(told | ({"tool_calls": calls} if calls else {}))
    asked: Json = {"messages": messages}
    declared = [
        item for tool in body.get("tools") or () for item in tool.get("functionDeclarations", ())
    ]
    if declared:
        asked["tools"] = [
            _tool(
                item["name"],
                item.get("description", ""),
                _lower(item.get("parameters") or item.get("parametersJsonSchema") or {}),
            )
            for item in declared
        ]
        mode = (body.get("toolConfig") or {}).get("functionCallingConfig", {}).get("mode", "AUTO")
        asked["tool_choice"] = "required" if mode == "ANY" else "auto"
    return asked


def _lower(schema: Any) -> Any:
    """Gemini writes types in capitals."""
    if isinstance(schema, dict):
        return {
            key: value.lower() if key == "type" and isinstance(value, str) else _lower(value)
            for key, value in schema.items()
        }
    return schema


def _to_gemini(completion: Json) -> Json:
    text, calls, usage = _parts(completion)
    parts: list[Json] = [{"text": text}] if text else []
    parts += [{"functionCall": {"name": call["name"], "args": call["arguments"]}} for call in calls]
    return {
        "candidates": [
            {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": usage.get("prompt_tokens", 0),
            "candidatesTokenCount": usage.get("completion_tokens", 0),
            "totalTokenCount": usage.get("total_tokens", 0),
        },
        "modelVersion": completion["model"],
    }


def _from_ollama(body: Json) -> Json:
    options = body.get("options") or {}
    asked = {"model": body["model"], "messages": body["messages"], **options}
    return asked | ({"tools": body["tools"]} if body.get("tools") else {})


def _to_ollama(completion: Json) -> Json:
    text, calls, usage = _parts(completion)
    functions = [
        {"function": {"name": call["name"], "arguments": call["arguments"]}} for call in calls
    ]
    message = {"role": "assistant", "content": text}
    return {
        "model": completion["model"],
        "created_at": "2026-01-01T00:00:00Z",
        "message": message | ({"tool_calls": functions} if calls else {}),
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": usage.get("prompt_tokens", 0),
        "eval_count": usage.get("completion_tokens", 0),
    }


def _from_cohere(body: Json) -> Json:
    messages = [{**item, "content": _text(item.get("content"))} for item in body["messages"]]
    asked = {"model": body["model"], "messages": messages}
    if body.get("tools"):
        asked["tools"] = body["tools"]
        asked["tool_choice"] = {"REQUIRED": "required"}.get(body.get("tool_choice", ""), "auto")
    return asked


def _to_cohere(completion: Json) -> Json:
    text, calls, usage = _parts(completion)
    message: Json = {"role": "assistant"}
    if text:
        message["content"] = [{"type": "text", "text": text}]
    if calls:
        message["tool_calls"] = [
            {"type": "function", **_call(call["name"], call["arguments"], call["id"])}
            for call in calls
        ]
    tokens = {
        "input_tokens": usage.get("prompt_tokens", 0),
        "output_tokens": usage.get("completion_tokens", 0),
    }
    return {
        "id": "chat-1",
        "finish_reason": "TOOL_CALL" if calls else "COMPLETE",
        "message": message,
        "usage": {"tokens": tokens, "billed_units": tokens},
    }


def _words(reply: Reply) -> str:
    return str((reply.error or {}).get("message", ""))


ANTHROPIC = Protocol(
    _from_anthropic,
    _to_anthropic,
    lambda reply: {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": _words(reply)},
    },
    _anthropic_events,
)
GEMINI = Protocol(
    _from_gemini,
    _to_gemini,
    lambda reply: {
        "error": {"code": reply.status, "message": _words(reply), "status": "INVALID_ARGUMENT"}
    },
)
OLLAMA = Protocol(_from_ollama, _to_ollama, lambda reply: {"error": _words(reply)})
COHERE = Protocol(_from_cohere, _to_cohere, lambda reply: {"message": _words(reply)})
