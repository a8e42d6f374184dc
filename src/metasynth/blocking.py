"""Work that blocks: what takes long in a thread that ends when its task does, the rest here."""

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
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


async def brief(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What work of less than a millisecond returns, which a thread would cost more than it takes.

    LangGraph's development server raises at whatever blocks its loop, so there it has a thread.
    """
    if "blockbuster" in sys.modules:
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)
