"""What many tasks want written at one moment goes to the disk together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """Items that a thread of its own writes in groups: who comes while it writes goes next.

    Args:
        write: Takes all that waits, in the order in which it came, and gives a result for each. It
            returns when everything is safe, or raises, and then all of the group have failed.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result]], *, name: str) -> None:
        self._write = write
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[tuple[Item, asyncio.Future[Result] | None]] = []
        self._work: asyncio.Task[None] | None = None
        self._failed: Exception | None = None
        self._closed = False
        self.groups = 0

    async def done(self, item: Item) -> Result:
        """Hand an item over and wait until it is written.

        Raises:
            Exception: Of `write`, for this group or for what was `put` before.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._add(item, future)
        return await future

    def put(self, item: Item) -> None:
        """Hand an item over: it is written before whatever comes later.

        Raises:
            Exception: Of `write`, for what was `put` before.
        """
        self._add(item, None)

    def close(self) -> None:
        """Write what still waits."""
        self._closed = True
        self._thread.shutdown()
        group, self._waiting = self._waiting, []
        if group:
            self._write([item for item, _ in group])

    def _add(self, item: Item, future: "asyncio.Future[Result] | None") -> None:
        if self._failed is not None:
            raise self._failed
        self._waiting.append((item, future))
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._carry_out())

    async def _carry_out(self) -> None:
        loop = asyncio.get_running_loop()
        while group := self._waiting:
            self._waiting = []
            self.groups += 1
            try:
                items = [item for item, _ in group]
                if self._closed:  # what comes after the end is told so by whoever writes
                    results = self._write(items)
                else:
                    results = await loop.run_in_executor(self._thread, self._write, items)
            except Exception as error:
                if any(future is None for _, future in group):
                    self._failed = error
                for _, future in group:
                    if future is not None and not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(group, results, strict=True):
                    if future is not None and not future.done():
                        future.set_result(result)
