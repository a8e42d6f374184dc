"""A quirk of a real endpoint, as a switch of the test server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.openai_answers import Reply

Json = dict[str, Any]


def _accepted(_: Json) -> Reply | None:
    return None


def _unchanged(_: Json, completion: Json) -> Json | str:
    return completion


@dataclass(frozen=True)
class Bend:
    """What an endpoint refuses, and how its answers differ.

    Attributes:
        name: Of the quirk, and of the test that uses it.
        refuse: A request's body → the reply that turns it down (`refusal` makes one), or None.
        change: A request's body and the answer's `chat.completion` object → the object as this
            endpoint sends it, or a text that goes out as it is. A streamed request gets the
            object's chunks.
    """

    name: str
    refuse: Callable[[Json], Reply | None] = _accepted
    change: Callable[[Json, Json], Json | str] = _unchanged

    def __str__(self) -> str:
        return self.name


def refusal(
    message: str,
    *,
    status: int = 400,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """A refusal in the form of OpenAI; for others there is `Reply(status=…, raw_body=…)`."""
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
    return Reply(status=status, error=error, headers=dict(headers or {}))


def chunks_of(completion: Json) -> list[Json]:
    """A `chat.completion` object as the chunks of a stream, each message in one delta."""
    envelope = {key: item for key, item in completion.items() if key not in ("choices", "usage")}
    envelope |= {"object": "chat.completion.chunk"}
    chunks: list[Json] = []
    for choice in completion.get("choices") or ():
        delta = dict(choice.get("message") or {})
        if delta.get("tool_calls"):
            delta["tool_calls"] = [
                {"index": index} | call for index, call in enumerate(delta["tool_calls"])
            ]
        place = {"index": choice.get("index", 0)}
        chunks.append(envelope | {"choices": [place | {"delta": delta, "finish_reason": None}]})
        own = {key: item for key, item in choice.items() if key != "message"}
        ending = own | place | {"delta": {}, "finish_reason": choice.get("finish_reason")}
        chunks.append(envelope | {"choices": [ending]})
    if "usage" in completion:
        chunks.append(envelope | {"choices": [], "usage": completion["usage"]})
    return chunks
