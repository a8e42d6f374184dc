"""The server that all clients of `benchmarks.orchestration` ask, in a process of its own.

    python -m benchmarks.orchestration_server PORT LATENCY document|instruct

`GET /counts` says what it has seen since it was asked the last time, and begins to count anew.
"""

import sys
import threading
import time
from typing import Any

from aiohttp import web
from typing_extensions import override

from tests.instruct_runs import InstructTeacher
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher


class CountingServer(OpenAIServer):
    """Counts requests, when they came, and how many were in flight."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._times: list[tuple[float, float]] = []

    @override
    def add_routes(self, router: web.UrlDispatcher) -> None:
        super().add_routes(router)
        router.add_get("/counts", self._counts)

    @override
    async def _chat(self, request: web.Request) -> web.StreamResponse:
        began = time.time()
        try:
            return await super()._chat(request)
        finally:
            self._times.append((began, time.time()))

    async def _counts(self, request: web.Request) -> web.Response:  # noqa: ARG002
        first = min((began for began, _ in self._times), default=0.0)
        last = max((ended for _, ended in self._times), default=0.0)
        counts = {
            "requests": len(self._times),
            "refusals": self.refusals,
            "most_in_flight": self.max_in_flight,
            "mean_in_flight": sum(ended - began for began, ended in self._times)
            / max(last - first, 1e-9),
            "first": first,
            "seconds": last - first,
        }
        self._times.clear()
        self.received.clear()
        self.max_in_flight = self.refusals = 0
        return web.json_response(counts)


def main() -> None:
    """Serve until standard input ends."""
    port, latency, plays = sys.argv[1:]
    teacher = InstructTeacher() if plays == "instruct" else Teacher()
    with CountingServer(teacher, latency_s=float(latency), port=int(port)) as server:
        print(server.port, flush=True)
        threading.Thread(target=sys.stdin.read).run()


if __name__ == "__main__":
    main()
