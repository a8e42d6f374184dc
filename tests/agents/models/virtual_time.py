"""An event loop whose clock jumps to the next timer: hours of waiting in milliseconds, no sleeping.

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())

Everything that asks the loop for the time (`asyncio.sleep`, `asyncio.timeout`, a pacer whose clock
is `loop.time`) lives in that time. A program that waits for what will never happen raises
`DeadlockError` instead of hanging.
"""

import asyncio
import selectors
from typing import Any


class DeadlockError(Exception):
    """Nothing is ready and no timer is set: everybody waits for somebody else."""


class _JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise DeadlockError
            self.now += max(0.0, timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._jumping.now

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Nothing to wait for: a thread would know nothing of this clock."""
