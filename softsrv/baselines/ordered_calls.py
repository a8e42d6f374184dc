"""Several calls at once whose results come in the order of what they were made for."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from metasynth.errors import BudgetEndedError

S = TypeVar("S")
T = TypeVar("T")


async def mapped(
    make: Callable[[S], Awaitable[T]], items: AsyncIterator[S], *, concurrency: int
) -> AsyncGenerator[T, None]:
    """What `make` gives for each item, in order, with `concurrency` of them at work at once.

    Where the consumer goes away or a call fails, what is under way is cancelled; where the budget
    ends, it is waited for, because it is paid for.
    """
    running: deque[asyncio.Future[T]] = deque()
    try:
        async for item in items:
            running.append(asyncio.ensure_future(make(item)))
            if len(running) >= concurrency:
                yield await running[0]
                running.popleft()
        while running:
            yield await running[0]
            running.popleft()
    except BudgetEndedError:
        await asyncio.gather(*running, return_exceptions=True)
        raise
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def each(items: Iterable[S]) -> AsyncGenerator[S, None]:
    """The items, for what takes an asynchronous iterator."""
    for item in items:
        yield item
