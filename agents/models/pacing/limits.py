"""The limits that a regulator sets: the user's allowance, calls in flight, the send rate."""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Permit:
    """A call that was let through.

    Attributes:
        serial: How many calls were let through before it.
        sent_at: When, in seconds of the regulator's clock.
        after_s: Seconds since the call before it.
        tokens: What it was estimated to cost.
        at_full_rate: The send rate was what held calls back just then.
        at_full_window: It took the last free place.
    """

    serial: int
    sent_at: float
    after_s: float
    tokens: int
    at_full_rate: bool
    at_full_window: bool


@dataclass
class Allowance:
    """A limit per minute as a token bucket with a small burst.

    In no span of 60 seconds does it let through more than `per_minute`, save for one call that is
    alone larger than the burst: that one goes when the bucket is full, and is paid off afterwards.
    """

    per_minute: float
    burst_s: float
    level: float = field(init=False)
    updated_at: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        self.capacity = max(1.0, self.per_minute * self.burst_s / 60)
        self.per_second = (self.per_minute - (self.capacity - 1)) / 60
        self.level = self.capacity

    def wait_s(self, now: float, amount: float) -> float:
        """Seconds until `amount` may be taken."""
        self._refill(now)
        return max(0.0, min(amount, self.capacity) - self.level) / self.per_second

    def take(self, now: float, amount: float) -> None:
        """Take `amount`, into debt if need be; a negative amount gives back."""
        self._refill(now)
        self.level = min(self.capacity, self.level - amount)

    def _refill(self, now: float) -> None:
        if now > self.updated_at:
            gained = (now - self.updated_at) * self.per_second
            self.level = min(self.capacity, self.level + gained)
            self.updated_at = now


@dataclass
class Window:
    """How many calls may be in flight: slow start, additive increase, multiplicative decrease.

    `refused_at` is the number that was last refused; infinity while there is none (slow start).
    """

    ceiling: int
    limit: float = 16.0
    refused_at: float = math.inf
    patience: float = 1.0  # round trips until more places are tried; grows while that is refused

    def __post_init__(self) -> None:
        self.limit = min(self.limit, float(self.ceiling))

    def grow(self) -> None:
        """A call that took the last place was answered."""
        if self.limit > 1.25 * self.refused_at:
            self.refused_at = math.inf  # the server takes more than it did
            self.patience = 1.0
        slow_start = self.limit < 0.9 * self.refused_at
        probe = max(1.0, self.limit / 10) / (self.limit * self.patience)
        self.limit = min(float(self.ceiling), self.limit + (1.0 if slow_start else probe))

    def halve(self, in_flight: int, *, was_full: bool) -> None:
        """The server would not take one more; it may mean the rate if the window was not full."""
        reached = min(self.limit, float(in_flight)) if was_full else self.limit
        if reached <= 1.25 * self.refused_at < math.inf:
            self.patience = min(16.0, self.patience * 2)
        self.refused_at = reached
        self.limit = max(1.0, reached / 2)


@dataclass
class SendRate:
    """Requests a second that the server is believed to sustain; infinity: no limit as yet.

    `peak` is the rate at which it last refused; None before the first refusal (slow start). A cycle
    runs from one refusal to the next: what was accepted in it, divided by its length, is what the
    server sustains, because its bucket was empty at both ends.
    """

    per_second: float = 20.0
    peak: float | None = None
    due_at: float = -math.inf
    last_sent_at: float = -math.inf
    cycle_serial: int = 0
    cycle_refused: int = 0
    cycle_started_at: float | None = None
    cycle_held_s: float = 0.0
    short_cycles: int = 0

    FIRST = 20.0  # where nothing is known, or after the refusal of what had no limit
    FIRST_SPAN_S = 1.0  # a burst says less of a rate than a second does
    SLOW_START_GAIN = 1.0  # requests/s gained per answer: the rate doubles every ln 2 = 0.7 s
    MINIMUM = 1 / 30
    TOO_FEW = 8  # accepted calls in a cycle, from which no rate can be told

    def wait_s(self, now: float) -> float:
        """Seconds until the next call is due."""
        return max(0.0, self.due_at - now)

    def sent(self, now: float) -> tuple[float, bool]:
        """Count a call.

        Returns:
            Seconds since the one before, and whether that is as fast as the rate allows.
        """
        interval = 1 / self.per_second  # 0 where there is no limit
        after_s = now - self.last_sent_at
        self.last_sent_at = now
        # A late timer is made up for, but not so that two calls meet at a server without a burst.
        late_s = 0.01 if self.per_second > 100 else interval / 20
        self.due_at = max(now - late_s, self.due_at) + interval
        if self.cycle_started_at is None:
            self.cycle_started_at = now
        return after_s, after_s < 1.5 * interval

    def grow(self) -> None:
        """A call that went at full rate was answered.

        A rate r hears r answers a second, so a step of x is a growth by the fraction x a second.
        """
        if self.peak is None:
            self.per_second += self.SLOW_START_GAIN
            return
        # About one refusal in some hundreds of calls, and fewer where each costs a long hold.
        caution = 1 + 4 * self.cycle_held_s
        gentle = min(1.0, self.per_second / 10) / caution
        gap = self.peak / self.per_second - 1
        concave, convex = max(0.005 * gentle, gap / (4 * caution)), (0.02 - gap / 2) * gentle
        step = concave if gap > 0 else convex
        self.per_second += step
        if self.per_second > 1.25 * self.peak:
            self.peak = None  # the server allows more than it did

    def cut(self, refused: Permit, held_until: float, retry_after_s: float | None) -> None:
        """Lower the rate to what the server sustained in the cycle that `refused` ends."""
        held_s = max(0.0, held_until - refused.sent_at)
        accepted = refused.serial - self.cycle_serial - self.cycle_refused
        if accepted > 0:  # else it is still the same refusal, and waiting is the answer
            self._lower(refused, accepted, held_s, retry_after_s)
        self.cycle_serial = refused.serial
        self.cycle_refused = 0
        self.cycle_started_at = refused.sent_at
        self.cycle_held_s = held_s
        self.due_at = max(self.due_at, held_until)

    def _lower(
        self, refused: Permit, accepted: int, held_s: float, retry_after_s: float | None
    ) -> None:
        before = self.per_second
        if math.isinf(before):
            span_s = refused.sent_at - (self.cycle_started_at or refused.sent_at)
            known = accepted / max(span_s, self.FIRST_SPAN_S) if accepted >= self.TOO_FEW else 0.0
            self.per_second = known or self.FIRST
            return
        sustained, peak = self._sustained(refused, accepted, held_s)
        # Had the call come `retry_after_s` later it would have been welcome, so calls that far
        # apart are: no need to go below that.
        apart_s = math.inf if retry_after_s is None else refused.after_s + retry_after_s
        if apart_s * before <= 1:  # at this very rate, had it only come on time
            self.per_second = 0.97 * before
            return
        lowest = max(self.MINIMUM, before / 2, 0.97 / apart_s)
        self.per_second = max(lowest, min(0.9 * before, sustained))
        self.peak = None if peak is None else max(self.per_second, min(before, peak))

    def _sustained(
        self, refused: Permit, accepted: int, held_s: float
    ) -> tuple[float, float | None]:
        """The rate to go on with, and the one to probe for (None: go on with slow start)."""
        before = self.per_second
        started_at = refused.sent_at if self.cycle_started_at is None else self.cycle_started_at
        elapsed_s = refused.sent_at - started_at
        if accepted < self.TOO_FEW or elapsed_s <= 0:
            self.short_cycles += 1
            # One early refusal may be chance: two calls that met on their way.
            return (0.8 * before, self.peak) if self.short_cycles == 1 else (0.5 * before, before)
        self.short_cycles = 0
        low = accepted / elapsed_s  # right where the server's bucket filled up during the hold
        if self.peak is None:  # a rising rate: its mean is below what the server gave at the end
            # Another refusal soon is no loss where it costs next to no time.
            return (
                (1.15 * low, 1.25 * low) if held_s > 0.5 else (min(0.8 * before, 1.3 * low), before)
            )
        high = accepted / max(elapsed_s - self.cycle_held_s, 1e-6)  # right where it has no burst
        return max(0.97 * low, min(0.97 * high, 0.8 * before)), high
