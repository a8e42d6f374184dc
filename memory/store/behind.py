"""Writes to a store behind the work that they are of: in groups, in a thread of their own.

A write of Chroma takes 8 ms whatever it holds, and holds the interpreter meanwhile. So nobody waits
for it, and what comes within a moment is written together. Whoever uses this has the truth in a
file of its own: a kill loses what has not been written yet, and `first` is where that is made good.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from langgraph.store.base import BaseStore, PutOp

GROUP = 256
WAIT_S = 0.5

Job = Callable[[BaseStore], Iterable[PutOp]]


class WriteBehind:
    """A store that is opened when something is to be written, and written in groups.

    The thread lives while there is something to write. An error of it is raised once, by whatever
    is called next.

    Args:
        open_store: Opens the store; called in the thread, once.
    """

    def __init__(self, open_store: Callable[[], BaseStore]) -> None:
        self._open_store = open_store
        self._store: BaseStore | None = None
        self._first: list[Job] = []
        self._needed = False
        self._waiting: deque[PutOp] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._hurries = 0
        self._error: BaseException | None = None

    def first(self, job: Job, *, needed: bool) -> None:
        """Before the next write, write what `job` finds to be wrong with the store.

        Args:
            needed: It is done at the end even if nothing else is written.
        """
        with self._changed:
            self._first.append(job)
            self._needed = self._needed or needed

    def put(self, ops: Iterable[PutOp]) -> None:
        """Have operations written, in their order, soon."""
        with self._changed:
            self._raise()
            self._waiting.extend(ops)
            self._needed = True
            self._start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is written."""
        with self._changed:
            self._hurries += 1
            self._start()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._thread is None)
            self._hurries -= 1
            self._raise()

    def close(self) -> None:
        """Write what waits; the store is closed by whoever opened it."""
        if self._needed or self._error is not None:
            self.flush()

    def _start(self) -> None:
        if self._thread is None:
            # not a daemon: the interpreter waits for what is being written
            self._thread = threading.Thread(target=self._run, name="write-behind")
            self._thread.start()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        try:
            while self._carry_out():
                pass
        except BaseException as error:  # raised by whatever is called next
            with self._changed:
                self._error = error
                self._waiting.clear()
                self._end()

    def _carry_out(self) -> bool:
        """Write a group; False, and the thread has ended, where nothing waits."""
        with self._changed:
            self._changed.wait_for(self._is_due, timeout=WAIT_S)
            jobs, self._first = self._first, []
            group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
            if not jobs and not group:
                self._end()
                return False
        if self._store is None:
            self._store = self._open_store()
        for job in jobs:
            for part in _batches(job(self._store)):
                self._store.batch(part)
        for part in _batches(group):
            self._store.batch(part)
        return True

    def _is_due(self) -> bool:
        return self._hurries > 0 or len(self._waiting) >= GROUP

    def _end(self) -> None:
        self._thread = None
        self._needed = bool(self._first)
        self._changed.notify_all()


def _batches(ops: Iterable[PutOp]) -> Iterator[list[PutOp]]:
    """Groups that hold no text twice, which LangGraph's InMemoryStore refuses."""
    batch: list[PutOp] = []
    texts: set[str] = set()
    for op in ops:
        text = op.value[op.index[0]] if op.value and op.index else None
        if text in texts or len(batch) == GROUP:
            yield batch
            batch, texts = [], set()
        batch.append(op)
        if text is not None:
            texts.add(text)
    if batch:
        yield batch
