"""One pacer for each endpoint: every model object that calls it waits here for its turn.

    async with pacer.slot(estimated_tokens=900) as slot:
        answer = await call()
        slot.succeeded(tokens=answer.tokens)  # or slot.refused(retry_after_s), slot.overloaded(...)

A slot that is left without a word (an error that says nothing about the pace, a cancellation) is
freed and changes nothing. The decisions are `Regulator`'s; this module lets callers wait for them,
first come first served on each event loop, from any number of loops and threads.
"""

import asyncio
import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, runtime_checkable
from urllib.parse import urlsplit

from .limits import Permit
from .regulator import Outcome, Regulator


@runtime_checkable
class Paced(Protocol):
    """A model whose calls go through a pacer."""

    @property
    def pacer(self) -> "Pacer": ...


class HeldTooLongError(Exception):
    """The endpoint asked for a longer wait than anybody would sit through.

    Attributes:
        wait_s: The wait that is left.
    """

    def __init__(self, wait_s: float) -> None:
        hours = f", {wait_s / 3600:.1f} hours" if wait_s >= 3600 else ""
        super().__init__(f"the endpoint asks to wait {wait_s:.0f} s{hours}")
        self.wait_s = wait_s


class _Waiter:
    """A caller in the queue, on the event loop that it waits on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.woken = asyncio.Event()

    def wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:  # its loop is closed: nobody waits there any more
            return


class Slot:
    """Permission for one call, as an async context manager; say inside how the call ended."""

    def __init__(self, pacer: "Pacer", estimated_tokens: int, *, again: bool) -> None:
        self._pacer = pacer
        self._estimated_tokens = estimated_tokens
        self._again = again
        self._permit: Permit | None = None

    async def __aenter__(self) -> Self:
        self._permit = await self._pacer._admit(self._estimated_tokens, first=self._again)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end("failed")

    def succeeded(self, tokens: int | None = None) -> None:
        """The endpoint answered.

        Args:
            tokens: What it counted for prompt and answer; the estimate stands where this is None.
        """
        self._end("succeeded", tokens=tokens)

    def refused(self, retry_after_s: float | None = None) -> None:
        """The endpoint said that calls come too fast (429), and perhaps when to come back."""
        self._end("refused", tokens=0, retry_after_s=retry_after_s)

    def overloaded(self, retry_after_s: float | None = None) -> None:
        """The endpoint took no connection, or said that it has too much to do (status 503)."""
        self._end("overloaded", tokens=0, retry_after_s=retry_after_s)

    def _end(
        self, outcome: Outcome, *, tokens: int | None = None, retry_after_s: float | None = None
    ) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            self._pacer._finish(permit, outcome, tokens, retry_after_s)


class Pacer:
    """Lets calls to one endpoint through as fast as it will take them, and no faster.

    Args:
        requests_per_minute: A limit of the user's own.
        tokens_per_minute: The same for tokens, prompt and answer together.
        max_concurrency: The most calls in flight.
        max_hold_s: Callers get `HeldTooLongError` where the endpoint asks for a longer wait.
        clock: Seconds from any fixed moment.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        max_concurrency: int = 256,
        max_hold_s: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._regulator = Regulator(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            max_concurrency=max_concurrency,
        )
        self._max_hold_s = max_hold_s
        self._clock = clock
        self._lock = threading.Lock()
        # A queue for each loop: a loop that is blocked holds up its own callers only.
        self._queues: dict[asyncio.AbstractEventLoop, OrderedDict[_Waiter, None]] = {}

    def slot(self, estimated_tokens: int = 0, *, again: bool = False) -> Slot:
        """Wait for a turn.

        Args:
            estimated_tokens: What the call will probably cost; settled when it has ended.
            again: The call was refused before and goes to the head of the queue.

        Returns:
            An async context manager. Entering it raises `HeldTooLongError`.
        """
        return Slot(self, estimated_tokens, again=again)

    def limit(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        max_concurrency: int | None = None,
    ) -> None:
        """Add limits of the user: of two, the tighter one holds."""
        with self._lock:
            self._regulator.limit(
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
                max_concurrency=max_concurrency,
            )

    def expect(self, calls: int) -> None:
        """Let so many go at once until the endpoint refuses one; else it is tried how many may."""
        with self._lock:
            self._regulator.expect(calls)

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return self._regulator.in_flight

    @property
    def waiting(self) -> int:
        """Callers in the queue."""
        with self._lock:
            return sum(len(queue) for queue in self._queues.values())

    @property
    def held_s(self) -> float:
        """Seconds for which nobody may send."""
        return max(0.0, self._regulator.held_until - self._clock())

    @property
    def concurrency(self) -> int:
        """How many calls may be under way just now."""
        return int(self._regulator.window.limit)

    @property
    def calls_per_second(self) -> float:
        """How fast calls may follow each other just now."""
        return self._regulator.rate.per_second

    @property
    def succeeded(self) -> int:
        """Calls that were answered so far."""
        return self._regulator.succeeded

    @property
    def refused(self) -> int:
        """Calls that the endpoint would not take so far."""
        return self._regulator.refused

    async def _admit(self, tokens: int, *, first: bool) -> Permit:
        waiter = _Waiter(asyncio.get_running_loop())
        self._join(waiter, first=first)
        try:
            while True:
                with self._lock:
                    permit, wait_s = self._try(waiter, tokens)
                if permit is not None:
                    return permit
                await _until(waiter.woken, wait_s)
                waiter.woken.clear()
        finally:
            self._leave(waiter)

    def _try(self, waiter: _Waiter, tokens: int) -> tuple[Permit | None, float]:
        """A permit, or the seconds after which to ask again (infinity: when woken)."""
        now = self._clock()
        hold_s = self._regulator.held_until - now
        if hold_s > self._max_hold_s:
            raise HeldTooLongError(hold_s)
        if next(iter(self._queues[waiter.loop])) is not waiter:
            return None, math.inf
        wait_s = self._regulator.wait_s(now, tokens)
        return (None, wait_s) if wait_s > 0 else (self._regulator.admit(now, tokens), 0.0)

    def _join(self, waiter: _Waiter, *, first: bool) -> None:
        with self._lock:
            queue = self._queues.setdefault(waiter.loop, OrderedDict())
            queue[waiter] = None
            if first:
                queue.move_to_end(waiter, last=False)

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            queue = self._queues[waiter.loop]
            del queue[waiter]
            if not queue:
                del self._queues[waiter.loop]
            self._wake_heads()

    def _finish(
        self,
        permit: Permit,
        outcome: Outcome,
        tokens: int | None,
        retry_after_s: float | None,
    ) -> None:
        with self._lock:
            self._regulator.finish(
                self._clock(), permit, outcome, tokens=tokens, retry_after_s=retry_after_s
            )
            if (retry_after_s or 0.0) > self._max_hold_s:
                self._wake_all()
            else:
                self._wake_heads()

    def _wake_heads(self) -> None:
        for queue in self._queues.values():
            next(iter(queue)).wake()

    def _wake_all(self) -> None:
        for queue in self._queues.values():
            for waiter in queue:
                waiter.wake()


async def _until(woken: asyncio.Event, wait_s: float) -> None:
    """Wait for the event, at most so many seconds."""
    try:
        async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
            await woken.wait()
    except TimeoutError:
        return


_PACERS: dict[tuple[str, str], Pacer] = {}
_PACERS_LOCK = threading.Lock()


def pacer_for(
    base_url: str,
    key: str,
    *,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    max_concurrency: int | None = None,
) -> Pacer:
    """The pacer that everybody shares who calls this endpoint with this key.

    Limits that several callers name for one endpoint hold together: the tightest counts.

    Args:
        base_url: Address of the endpoint; a slash at the end makes no difference.
        key: The secret, of which only a hash is kept.
        requests_per_minute: A limit of the user's own.
        tokens_per_minute: The same for tokens.
        max_concurrency: The most calls in flight.
    """
    parts = urlsplit(base_url)
    address = f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    with _PACERS_LOCK:
        pacer = _PACERS.setdefault((address, digest), Pacer())
    pacer.limit(
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        max_concurrency=max_concurrency,
    )
    return pacer
