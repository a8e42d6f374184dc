"""HTTP for OpenAI-compatible endpoints that survives several event loops in one process.

A connection belongs to the event loop that opened it. Models live longer than loops (tests,
scripts that call `asyncio.run` twice, a synchronous `invoke` between two asynchronous ones), so the
one HTTP client that all models share keeps a client for each loop, closed together with the loop.
"""

import asyncio
import atexit
import functools
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import httpx2

T = TypeVar("T")


class LoopClient(httpx2.AsyncClient):
    """An HTTP client that sends through a client of the running loop.

    Redirects are not followed: nothing is sent anywhere but to the endpoint that was named.
    """

    def __init__(self) -> None:
        # Reading the certificates takes longer than everything else: once for all clients.
        self._certificates = httpx2.create_ssl_context()
        super().__init__(follow_redirects=False, verify=self._certificates)
        self._of_loop: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[httpx2.AsyncClient, AsyncGenerator[None, None]]
        ] = WeakKeyDictionary()

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request over the running loop's connections."""
        return await (await self._here()).send(request, **options)

    async def _here(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if loop not in self._of_loop:
            for ended in [other for other in self._of_loop if other.is_closed()]:
                del self._of_loop[ended]
            limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=256)
            client = httpx2.AsyncClient(
                follow_redirects=False, limits=limits, verify=self._certificates
            )
            # A loop closes its unfinished asynchronous generators before it ends, and nothing else.
            guard = _closing_with_the_loop(client)
            self._of_loop[loop] = (client, guard)
            await anext(guard)
        return self._of_loop[loop][0]


async def _closing_with_the_loop(client: httpx2.AsyncClient) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await client.aclose()


@functools.cache
def shared_client() -> LoopClient:
    """The HTTP client of the process: its pools are per endpoint, its timeouts per request."""
    return LoopClient()


class BackgroundLoop:
    """An event loop in a thread of its own, for callers that are not asynchronous."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metasynth-http", daemon=True)
        self._thread.start()
        self._ready.wait()
        atexit.register(self.close)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine and wait for its result; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """Go through an asynchronous generator; leaving early closes it."""

        async def following() -> tuple[T, ...]:
            async for item in items:
                return (item,)
            return ()

        try:
            while item := self.run(following()):
                yield item[0]
        finally:
            self.run(items.aclose())

    def close(self) -> None:
        """End the loop, its connections first."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=5)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()


@functools.cache
def background_loop() -> BackgroundLoop:
    """The background loop of the process, started with the first synchronous call."""
    return BackgroundLoop()
