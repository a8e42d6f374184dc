"""Many requests through one engine: its batch stays full, and the answers come in order.

Whenever a row ends, the next request takes its place in the waiting line before the engine's next
step, from the engine's own thread. So the batch never waits for the one who reads the answers, and
which rows share it does not depend on how fast they are read, as long as they are read faster than
`lead` lets pile up.
"""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future

from metasynth.errors import ModelCallError

from .loop import BatchEngine
from .requests import Generation, GenerationRequest

LEAD = 64  # answers for each row of the batch that may wait to be read
WITH_ENGINE = 2  # requests for each row of the batch that run or wait: the next prefixes are known


def answers_in_order(
    engine: BatchEngine, requests: Iterable[GenerationRequest], *, lead: int | None = None
) -> Generator[Generation, None, None]:
    """The answer to each request, in the order of the requests.

    Requests are taken from their iterator only when the engine has a use for them; this happens in
    its thread or in the caller's, one at a time. When the caller stops early (or fails), what still
    runs is cancelled.

    Args:
        engine: What answers; others may use it too.
        requests: What is asked; an error of this iterator reaches the caller after the answers to
            what came before it.
        lead: How many requests may be ahead of the answer that is read next, by default 64 for each
            row of a batch: a long answer at the head of the line must not starve the others.

    Raises:
        ModelCallError: The model cannot answer, or was closed.
        ContextLimitError, ValueError: A request is unfit; see `BatchEngine.submit`.
    """
    feed = _Feed(engine, iter(requests), lead=lead or LEAD * engine.max_batch)
    try:
        while (future := feed.next()) is not None:
            try:
                answer = future.result()
            except CancelledError:
                name = engine.lm.name
                raise ModelCallError(
                    f"model {name!r} was closed while it answered", code="closed_model"
                ) from None
            yield answer
    finally:
        feed.stop()


class _Feed:
    """Requests on their way from an iterator to an engine."""

    def __init__(
        self, engine: BatchEngine, requests: Iterator[GenerationRequest], *, lead: int
    ) -> None:
        self._engine = engine
        self._requests = requests
        self._lead = lead
        self._lock = threading.Lock()
        self._unread: deque[Future[Generation]] = deque()
        self._open = 0  # with the engine, without an answer
        self._ended = False

    def next(self) -> "Future[Generation] | None":
        """The future of the next answer; None behind the last."""
        with self._lock:
            self._refill()
            return self._unread.popleft() if self._unread else None

    def stop(self) -> None:
        """Take back what is with the engine."""
        with self._lock:
            self._ended = True
            unread = list(self._unread)
        for future in unread:  # without the lock: each calls back
            future.cancel()

    def _on_done(self, _: "Future[Generation]") -> None:
        with self._lock:
            self._open -= 1
            self._refill()

    def _refill(self) -> None:
        """Give the engine what it has a use for; errors wait in line as answers do."""
        room = WITH_ENGINE * self._engine.max_batch - self._open
        room = min(room, self._lead - len(self._unread))
        if self._ended or room < 1:
            return
        requests: list[GenerationRequest] = []
        failure: Exception | None = None
        try:
            while len(requests) < room:
                requests.append(next(self._requests))
        except StopIteration:
            self._ended = True
        except Exception as error:
            failure = error
        try:
            futures = self._engine.submit_all(requests, done=self._on_done)
            self._open += len(futures)
            self._unread += futures
        except Exception as error:
            failure = error
        if failure is not None:
            self._ended = True
            failed: Future[Generation] = Future()
            failed.set_exception(failure)
            self._unread.append(failed)
