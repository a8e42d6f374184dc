"""Long work with one goal: a bar with the time left, and an end at the first Ctrl-C."""

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from metasynth.errors import RunInterruptedError

_LOG_EVERY_S = 10.0


class Bar:
    """Progress on stderr: a bar on a terminal, else a line now and then.

    As a context manager it takes SIGINT and SIGTERM: `update` then raises, at a point where the
    work can be stopped. A second SIGINT ends the process where it stands.

    Args:
        what: What is counted.
        quiet: Show nothing.
    """

    def __init__(self, what: str, *, quiet: bool) -> None:
        self._what = what
        self._shown = not quiet
        self._stop = threading.Event()
        self._rich: Progress | None = None
        self._task: TaskID | None = None
        self._began = time.monotonic()
        self._logged = -math.inf
        self._first: int | None = None

    def update(self, done: int, total: int, told: str) -> None:
        """How far the work is.

        Raises:
            RunInterruptedError: A signal has come.
        """
        if self._stop.is_set():
            raise RunInterruptedError(
                f"interrupted at {self._what} {done} of {total}",
                hint="the same command goes on where this one stopped",
            )
        if self._first is None or done == self._first:  # what comes before is no part of the pace
            self._first, self._began = done, time.monotonic()
        if self._rich is not None:
            self._draw(done, total, told)
        elif self._shown and time.monotonic() - self._logged > _LOG_EVERY_S:
            self._logged = time.monotonic()
            print(  # noqa: T201
                f"{self._what} {done} of {total} · {told} · {self._left(done, total)} left",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> "Bar":
        if self._shown and sys.stderr.isatty():
            self._rich = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("left · {task.fields[told]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._rich.start()
        self._taken = _taken_signals(self._stop)
        self._taken.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._taken.__exit__(None, None, None)
        if self._rich is not None:
            self._rich.stop()

    def _draw(self, done: int, total: int, told: str) -> None:
        assert self._rich is not None
        if self._task is None:  # begins where it goes on, so that the speed is that of this start
            self._task = self._rich.add_task(self._what, total=total, completed=done, told=told)
        self._rich.update(self._task, completed=done, total=total, told=told)

    def _left(self, done: int, total: int) -> str:
        taken = done - (self._first or 0)
        if not taken:
            return "?"
        return clock((time.monotonic() - self._began) / taken * (total - done))


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def _taken_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set an event; a second SIGINT does what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def take(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, take)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
