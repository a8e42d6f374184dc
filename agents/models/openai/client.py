"""HTTP for OpenAI-compatible endpoints that survives several event loops in one process.

A connection belongs to the event loop that opened it. Models live longer than loops (tests,
scripts that call `asyncio.run` twice, a synchronous `invoke` between two asynchronous ones), so the
one HTTP client that all models share keeps a client for each loop, closed together with the loop.
"""

import asyncio
import functools
from collections.abc import AsyncGenerator
from typing import Any
from weakref import WeakKeyDictionary

import httpx2


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
        """Send a request over the running loop's connections.

        Raises:
            HTTPStatusError: A web page came with success. As a stream it would be one of no events,
                which looks like an answer that was cut off.
        """
        response = await (await self._here()).send(request, **options)
        if response.is_success and "text/html" in response.headers.get("content-type", ""):
            await response.aread()
            raise httpx2.HTTPStatusError("a web page", request=request, response=response)
        return response

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
