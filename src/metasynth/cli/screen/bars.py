"""Long work with one goal: a bar with the time left, and an end at the first Ctrl-C."""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
_STOPS_WITHIN_S = 1.5


class Bar:
    """Progress on stderr: a bar on a terminal, else a line now and then.

    As a context manager it takes SIGINT, SIGTERM and SIGHUP: `update` then raises, at a point where
    the work can be stopped; where none comes within two seconds, the work is stopped where it is.
    A second signal ends the process where it stands.

    Args:
        what: What is counted.
        quiet: Show nothing.
        hint: What a person who interrupts is told.
    """

    def __init__(
        self,
        what: str,
        *,
        quiet: bool,
        hint: str = "the same command goes on where this one stopped",
    ) -> None:
        self._hint = hint
        self._what = what
        self._shown = not quiet
        self._stop = threading.Event()
        self._rich: Progress | None = None
        self._task: TaskID | None = None
        self._began = time.monotonic()
        self._logged = -math.inf
        self._first: int | None = None
        self._last: tuple[int, int, str] | None = None
        self._ended = threading.Event()

    def update(self, done: int, total: int, told: str) -> None:
        """How far the work is.

        Raises:
            RunInterruptedError: A signal has come.
        """
        if self._stop.is_set():
            raise self._interrupted(f" at {self._what} {done} of {total}")
        self._last = (done, total, told)
        if self._first is None or done == self._first:  # what comes before is no part of the pace
            self._first, self._began = done, time.monotonic()
        if self._rich is not None:
            self._draw(done, total, told)
        elif self._shown and time.monotonic() - self._logged > _LOG_EVERY_S:
            self._log()

    def _log(self) -> None:
        if self._last is None:
            return
        done, total, told = self._last
        self._logged = time.monotonic()
        print(  # noqa: T201
            f"{self._what} {done} of {total} · {told} · {self._left(done, total)} left",
            file=sys.stderr,
            flush=True,
        )

    def _keep_telling(self) -> None:
        """A line now and then while the work itself says nothing."""
        while not self._ended.wait(_LOG_EVERY_S):
            if time.monotonic() - self._logged >= _LOG_EVERY_S:
                self._log()

    def _interrupted(self, where: str = "") -> RunInterruptedError:
        return RunInterruptedError(f"interrupted{where}", hint=self._hint)

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
        elif self._shown:
            threading.Thread(target=self._keep_telling, daemon=True).start()
        self._taken = _taken_signals(self._stop, self._interrupted)
        self._taken.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
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


def interrupts() -> list[signal.Signals]:
    """The signals that ask the program to end; SIGHUP where it is not ignored, as under nohup."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [signal.Signals[name] for name in names if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def _taken_signals(
    stop: threading.Event, interrupted: Callable[[], BaseException]
) -> Iterator[None]:
    """A signal sets an event, and raises where nothing looks at it for a while.

    A second one does what it did before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = {number: signal.getsignal(number) for number in interrupts()}
    waits = hasattr(signal, "SIGALRM")
    if waits:
        before[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)

    def take(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])
        if waits:
            signal.setitimer(signal.ITIMER_REAL, _STOPS_WITHIN_S)

    def give_up(_number: int, _: FrameType | None) -> None:
        raise interrupted()

    for number in before:
        signal.signal(number, give_up if waits and number == signal.SIGALRM else take)
    try:
        yield
    finally:
        if waits and stop.is_set():
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
