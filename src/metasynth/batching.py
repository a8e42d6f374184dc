"""Things that many tasks ask for one at a time, and that are made together."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """One thread that takes all that waits, again and again; nothing waits for company.

    Args:
        work: The results of some things, in their order.
        most: So many things at a time.
        name: Of the thread.
    """

    def __init__(self, work: Callable[[list[T]], Sequence[R]], *, most: int, name: str) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[tuple[T, Future[R]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def submit(self, thing: T) -> Future[R]:
        """Have a thing made; the future fails with whatever its group failed with."""
        future: Future[R] = Future()
        with self._lock:
            self._waiting.append((thing, future))
        self._thread.submit(self._take)
        return future

    def run(self, work: Callable[[], object]) -> None:
        """Do something else in the thread, whose errors are nobody's."""
        self._thread.submit(work)

    def close(self) -> None:
        """Make what waits, and end the thread."""
        self._thread.shutdown()

    def _take(self) -> None:
        with self._lock:
            count = min(self._most, len(self._waiting))
            group = [self._waiting.popleft() for _ in range(count)]
        group = [
            (thing, future) for thing, future in group if future.set_running_or_notify_cancel()
        ]
        if not group:  # all went with an earlier group
            return
        try:
            results = self._work([thing for thing, _ in group])
        except BaseException as error:  # raised where the results are waited for
            for _, future in group:
                future.set_exception(error)
            return
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)
