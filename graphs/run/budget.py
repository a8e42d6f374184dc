"""What a run may still use, and who may start another record."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from metasynth.config.run import BudgetConfig
from metasynth.errors import BudgetEndedError

_ANY = 10**9


class Spent(Protocol):
    """What the ledger has counted so far."""

    @property
    def calls(self) -> int: ...
    @property
    def tokens_in(self) -> int: ...
    @property
    def tokens_out(self) -> int: ...
    @property
    def usd(self) -> float: ...


class Budget:
    """The limits on calls, tokens, minutes and money.

    They are checked before each call, so what is in flight when a limit is reached still ends.
    Minutes count from this start; everything else counts over all starts of the run.
    """

    def __init__(
        self,
        config: BudgetConfig,
        spent: Callable[[], Spent],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._spent = spent
        self._clock = clock
        self._started = clock()

    def check(self) -> None:
        """Let a call pass.

        Raises:
            BudgetEndedError: A limit is reached; says which one and what was used.
        """
        if reason := self.ended():
            raise BudgetEndedError(reason, code="budget_end")

    def check_minutes(self) -> None:
        """Let work pass that makes no calls: its cost is time alone.

        Raises:
            BudgetEndedError: The time is used up.
        """
        if reason := self._minutes_ended():
            raise BudgetEndedError(reason, code="budget_end")

    def ended(self) -> str | None:
        """The limit that is reached, or None."""
        limits, spent = self._config, self._spent()
        tokens = spent.tokens_in + spent.tokens_out
        if limits.calls is not None and spent.calls >= limits.calls:
            return f"budget.calls: {spent.calls} of {limits.calls} calls used"
        if limits.tokens is not None and tokens >= limits.tokens:
            return f"budget.tokens: {tokens} of {limits.tokens} tokens used"
        if limits.usd is not None and spent.usd >= limits.usd:
            return f"budget.usd: {spent.usd:.4f} of {limits.usd} dollars used"
        return self._minutes_ended()

    def _minutes_ended(self) -> str | None:
        limit = self._config.minutes
        minutes = (self._clock() - self._started) / 60
        if limit is not None and minutes >= limit:
            return f"budget.minutes: {minutes:.1f} of {limit} minutes used"
        return None


class Quota:
    """Hands out the records that are still to be written, so that no chain writes one too many.

    A chain that would exceed the goal waits until a record in work has ended: if that one is
    rejected, the waiting chain takes its place.

    Args:
        goal: Accepted records.
        accepted: Those that are there.
        stall_after: Records rejected in a row that end the run.
        first_within: Records rejected in one start that end a run which has none accepted; None for
            no such bound.
        held: Candidates that wait for a choice.
        batch: Of so many candidates a choice takes
        keep: so many; 1 of 1 where each is admitted by itself.
        past: What a record has to pass, in the words of a stall.
    """

    def __init__(
        self,
        goal: int,
        *,
        accepted: int,
        stall_after: int,
        held: int = 0,
        batch: int = 1,
        keep: int = 1,
        past: str = "the gate",
        first_within: int | None = None,
    ) -> None:
        self._first_within = first_within
        self._goal = goal
        self._accepted = accepted
        self._in_work = 0
        self._held = held
        self._batch = batch
        self._keep = keep
        self._past = past
        self._rejected_in_row = 0
        self._stall_after = stall_after
        self._aside: set[str] = set()
        self._changed = asyncio.Condition()
        self.stopped_because: str | None = None

    async def begin(self, *, accepted: int, held: int) -> None:
        """Hand out records anew: nothing is in work, and nothing has stopped it."""
        async with self._changed:
            self._accepted, self._held = accepted, held
            self._in_work = self._rejected_in_row = 0
            self._aside.clear()
            self.stopped_because = None

    @property
    def left(self) -> int:
        """Accepted records that are still missing."""
        return self._goal - self._accepted

    @property
    def wanted(self) -> int:
        """Candidates from which as many as are missing would be chosen, those in work included."""
        return max(0, -(-self.left * self._batch // self._keep))

    async def take(self) -> bool:
        """Wait for a record to write; False when there is none any more."""
        async with self._changed:
            await self._changed.wait_for(self._decided)
            if self.stopped_because is not None or self._accepted >= self._goal:
                return False
            self._in_work += 1
            return True

    async def finish(self, *, accepted: bool) -> None:
        """A record that was taken has ended."""
        async with self._changed:
            self._in_work -= 1
            self._accepted += accepted
            self._rejected_in_row = 0 if accepted else self._rejected_in_row + 1
            hopeless = self._first_within is not None and not self._accepted + self._held
            if hopeless and self._rejected_in_row >= (self._first_within or 0):
                self.stopped_because = self.stopped_because or (
                    f"nothing_accepted: {self._rejected_in_row} records were rejected and none "
                    "was accepted (budget.first_within)"
                )
            if self._rejected_in_row >= self._stall_after:
                self.stopped_because = self.stopped_because or (
                    f"stalled: {self._rejected_in_row} records in a row were rejected; "
                    f"nothing new enough passes {self._past} any more"
                )
            self._changed.notify_all()

    async def hold(self) -> None:
        """A record that was taken waits for a choice: it passed, so nothing has stalled."""
        async with self._changed:
            self._in_work -= 1
            self._held += 1
            self._rejected_in_row = 0
            self._changed.notify_all()

    async def put_aside(self, id_: str) -> None:
        """A record in work waits for a person: somebody else may have its place."""
        async with self._changed:
            self._in_work -= 1
            self._aside.add(id_)
            self._changed.notify_all()

    async def take_up(self, id_: str) -> bool:
        """A record that was put aside is in work again, be there a place or not; False if none."""
        async with self._changed:
            if id_ not in self._aside:
                return False
            self._aside.discard(id_)
            self._in_work += 1
            return True

    async def decide(self, *, accepted: bool) -> None:
        """A record that waited was chosen or not; not to be the best is no sign of a stall."""
        async with self._changed:
            self._held -= 1
            self._accepted += accepted
            self._changed.notify_all()

    async def stop(self, reason: str) -> None:
        """No further record for anybody; the first reason stays."""
        async with self._changed:
            self._in_work -= 1
            self.stopped_because = self.stopped_because or reason
            self._changed.notify_all()

    def _decided(self) -> bool:
        done = self.stopped_because is not None or self._accepted >= self._goal
        return done or self._in_work + self._held < self.wanted


class NoQuota(Quota):
    """Of a record's graph that is run by itself: whoever runs it decides how many."""

    def __init__(self, *, batch: int = 1, keep: int = 1) -> None:
        super().__init__(_ANY, accepted=0, stall_after=_ANY, batch=batch, keep=keep)
