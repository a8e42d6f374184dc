"""Work that takes long and blocks, in a thread that ends when its task does."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
Check = Callable[[], None]


class _StoppedError(Exception):
    """The task that waited for the work was cancelled."""


async def in_thread(work: Callable[[Check], T], check: Check) -> T:
    """What `work` returns; it must call the check that it is given again and again.

    A cancelled task cannot end a thread. So the check raises in the thread when the task was
    cancelled, and the task ends when the thread has: whatever the work was writing is closed then.
    """
    stopped = threading.Event()

    def checked() -> None:
        if stopped.is_set():
            raise _StoppedError
        check()

    running = asyncio.ensure_future(asyncio.to_thread(work, checked))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stopped.set()
        with suppress(_StoppedError):
            await running
        raise
