"""A small OpenAI-compatible server over real HTTP, with latency and every fault that we know of.

    with OpenAIServer(responder, latency_s=0.05, rate=RateLimit(50)) as server:
        openai_chat("test-model", base_url=server.base_url)

What it answers is decided by `responder(request) -> str | Reply`: the decoded request goes in, a
text or a `Reply` comes out. `scripted(...)` makes a responder of a list. As a program, for demos
and benchmarks:

    python -m tests.openai_server --port 8000 --rate 50 --latency 0.05
"""

import argparse
import asyncio
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal, Self

from aiohttp import web

from tests.bends.bend import Bend, chunks_of
from tests.openai_answers import Reply, default_responder, failure

Responder = Callable[[dict[str, Any]], "str | Reply"]


@dataclass
class RateLimit:
    """A token bucket in front of the model.

    Attributes:
        per_second: Requests that it gains each second.
        burst: Requests that it holds.
        says: How `Retry-After` is written: as fractional seconds, whole seconds, a date,
            milliseconds in `retry-after-ms`, or not at all.
    """

    per_second: float
    burst: float = 5.0
    says: Literal["fraction", "seconds", "date", "ms", "nothing"] = "fraction"
    level: float = field(init=False)
    updated_at: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self) -> float:
        """Seconds until the next request is welcome: 0 lets this one through."""
        now = time.monotonic()
        self.level = min(self.burst, self.level + (now - self.updated_at) * self.per_second)
        self.updated_at = now
        if self.level < 1:
            return (1 - self.level) / self.per_second
        self.level -= 1
        return 0.0

    def headers(self, wait_s: float) -> dict[str, str]:
        """What a refusal says about when to come back."""
        now = time.time()
        return {
            "fraction": {"Retry-After": f"{wait_s:.3f}"},
            "seconds": {"Retry-After": str(math.ceil(wait_s))},
            "date": {
                "Retry-After": formatdate(math.ceil(now + wait_s), usegmt=True),
                "Date": formatdate(now, usegmt=True),
            },
            "ms": {"retry-after-ms": f"{wait_s * 1000:.0f}"},
            "nothing": {},
        }[self.says]


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    at: float


class OpenAIServer:
    """The server, in a thread with a loop of its own, on a free port of the loopback interface.

    Args:
        responder: Decides what is answered.
        latency_s: Time before an answer, for all requests alike.
        rate: Limit of requests; None for none.
        max_concurrency: More requests at once than this are refused with 429.
        key: The only key that is accepted; None accepts any.
        models: The only models that it has; empty accepts any name.
        bends: Quirks of real endpoints; the first that refuses decides, all change the answer.
        port: 0 for a free one.
    """

    def __init__(
        self,
        responder: Responder = default_responder,
        *,
        latency_s: float = 0.0,
        rate: RateLimit | None = None,
        max_concurrency: int | None = None,
        key: str | None = None,
        models: tuple[str, ...] = (),
        bends: Sequence[Bend] = (),
        port: int = 0,
    ) -> None:
        self.responder = responder
        self.latency_s = latency_s
        self.rate = rate
        self.max_concurrency = max_concurrency
        self.key = key
        self.models = models
        self.bends = tuple(bends)
        self.port = port
        self.received: list[Received] = []
        self.refusals = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="openai-server", daemon=True)

    @property
    def base_url(self) -> str:
        """What a client needs."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all chat requests, refused ones too, in the order of their arrival."""
        return [received.body for received in self.received]

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=64 * 2**20)
        self.add_routes(app.router)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        self.port = runner.addresses[0][1]
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """What is answered where."""
        router.add_post("/v1/chat/completions", self._chat)
        router.add_get("/v1/models", self._list_models)
        router.add_get("/v1/models/{name}", self._show_model)

    async def _list_models(self, request: web.Request) -> web.Response:
        if self._wrong_key(request):
            return _failed(failure("wrong_key"))
        data = [{"id": name, "object": "model"} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def _show_model(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if self._wrong_key(request):
            return _failed(failure("wrong_key"))
        if self.models and name not in self.models:
            return _failed(failure("wrong_model", model=name))
        return web.json_response({"id": name, "object": "model"})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.received.append(Received(body, dict(request.headers), time.monotonic()))
        refusal = self._gate(request, body)
        if refusal is not None:
            return _failed(refusal)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            answer = self.responder(body)
            reply = Reply(content=answer) if isinstance(answer, str) else answer
            await asyncio.sleep(self.latency_s + reply.delay_s)
            return await _answer(request, body, reply, self.bends)
        finally:
            self.in_flight -= 1

    def _gate(self, request: web.Request, body: dict[str, Any]) -> Reply | None:
        if self._wrong_key(request):
            return failure("wrong_key")
        if self.models and body.get("model") not in self.models:
            return failure("wrong_model", model=str(body.get("model")))
        wait_s = self.rate.take() if self.rate else 0.0
        if wait_s and self.rate:
            self.refusals += 1
            return failure("rate_limited", headers=self.rate.headers(wait_s))
        if self.max_concurrency is not None and self.in_flight >= self.max_concurrency:
            self.refusals += 1
            return failure("rate_limited")
        refusals = (bend.refuse(body) for bend in self.bends)
        return next((refusal for refusal in refusals if refusal), None)

    def _wrong_key(self, request: web.Request) -> bool:
        return self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}"


def _failed(reply: Reply) -> web.Response:
    if reply.raw_body is not None:
        headers = {"Content-Type": "application/json"} | reply.headers
        return web.Response(text=reply.raw_body, status=reply.status, headers=headers)
    return web.json_response({"error": reply.error}, status=reply.status, headers=reply.headers)


async def _answer(
    request: web.Request, body: dict[str, Any], reply: Reply, bends: Sequence[Bend]
) -> web.StreamResponse:
    if reply.cut == "before_headers":
        return await _cut(request, web.StreamResponse(), b"")
    if reply.status != 200:
        return _failed(reply)
    answer = _bent(body, reply, bends)
    is_page = isinstance(answer, str) and answer.startswith("<")
    if body.get("stream") and not is_page:
        return await _stream(request, reply, _events(body, reply, answer))
    text = answer if isinstance(answer, str) else json.dumps(answer)
    if reply.cut == "in_the_middle":
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(text.encode())
        return await _cut(request, response, text.encode()[: len(text) // 2])
    kind = "text/html" if is_page else "application/json"
    return web.Response(text=text, content_type=kind, headers=reply.headers)


def _bent(body: dict[str, Any], reply: Reply, bends: Sequence[Bend]) -> dict[str, Any] | str:
    """The answer as it goes out: an object, or a text that is none."""
    if reply.raw_body is not None:
        return reply.raw_body
    answer: dict[str, Any] | str = reply.completion(body)
    for bend in bends:
        if isinstance(answer, dict):
            answer = bend.change(body, answer)
    return answer


def _events(body: dict[str, Any], reply: Reply, answer: dict[str, Any] | str) -> list[str]:
    """A stream's events: word for word, or what a bend has changed in one piece."""
    if isinstance(answer, str):
        return [answer]
    plain = answer == reply.completion(body)
    chunks = list(reply.chunks(body)) if plain else chunks_of(answer)
    return [json.dumps(chunk) for chunk in chunks]


async def _cut(
    request: web.Request, response: web.StreamResponse, beginning: bytes
) -> web.StreamResponse:
    """Send a beginning, or nothing at all, and drop the connection."""
    if beginning:
        await response.prepare(request)
        await response.write(beginning)
    if request.transport is not None:
        request.transport.close()
    return response


async def _stream(request: web.Request, reply: Reply, events: list[str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    if reply.cut == "in_the_middle":
        lines = "".join(f"data: {event}\n\n" for event in events[: 1 + len(events) // 2])
        return await _cut(request, response, lines.encode())
    await response.prepare(request)
    with suppress(ConnectionResetError):
        for event in [*events, "[DONE]"]:
            await response.write(f"data: {event}\n\n".encode())
            await asyncio.sleep(reply.chunk_delay_s)
        await response.write_eof()
    return response


def scripted(*answers: "str | Reply", then: Responder = default_responder) -> Responder:
    """A responder that gives these answers in turn and goes on with `then`."""
    left: Iterator[str | Reply] = iter(answers)

    def respond(request: dict[str, Any]) -> str | Reply:
        for answer in left:
            return answer
        return then(request)

    return respond


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--rate", type=float, help="requests a second")
    parser.add_argument("--burst", type=float, default=5.0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    options = parser.parse_args()
    rate = RateLimit(options.rate, options.burst) if options.rate else None
    with OpenAIServer(latency_s=options.latency, rate=rate, port=options.port) as server:
        print(f"{server.base_url} (Ctrl-C ends it)", flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    _main()
