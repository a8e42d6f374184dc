"""An event loop beside the caller's, for as long as the process lives.

Synchronous calls of asynchronous models run on it, and the requests of packages whose connections
bear no other loop than the one that opened them.
"""

import asyncio
import atexit
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """An event loop in a thread of its own, for callers that have another or none."""

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

    async def awaited(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine here for a caller on any loop; cancelling the caller cancels it."""
        if asyncio.get_running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def pieces(self, items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """Go through an asynchronous iterator here for a caller on any loop."""

        async def following() -> tuple[T, ...]:
            async for item in items:
                return (item,)
            return ()

        async def close() -> None:
            if isinstance(items, AsyncGenerator):
                await items.aclose()

        try:
            while item := await self.awaited(following()):
                yield item[0]
        finally:
            await self.awaited(close())

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
