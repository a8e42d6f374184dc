"""How fast and how widely an endpoint may be called, learned from its answers.

Pure arithmetic over a clock that the caller reads: no sleeping, no locks, no input or output, so
that every property can be tested in simulated time. `Pacer` puts it behind an async interface.

Four limits; a call may go when all of them let it:

    hold       nobody sends before the time that the last refusal named
    window     calls in flight: as many as are expected, or slow start, then additive increase;
               halved by a refusal (AIMD)
    send rate  requests a second: slow start until the first refusal, then the rate that the server
               was seen to sustain, probed gently (the concave-then-convex curve of CUBIC, RFC 9438)
    allowance  the user's own limits of requests and tokens a minute

A refusal counts once per round trip: calls that were already under way when the last cut was made
say nothing about the pace after it (as in TCP's fast recovery, RFC 6582).
"""

import math
from collections.abc import Iterable
from typing import Literal

from .limits import Allowance, Permit, SendRate, Window

Outcome = Literal["succeeded", "refused", "overloaded", "failed"]


class Regulator:
    """The four limits together.

    Args:
        requests_per_minute: The user's own limit, if there is one.
        tokens_per_minute: The same for tokens, prompt and answer together.
        max_concurrency: The most calls in flight.
    """

    FIRST_BACKOFF_S = 0.25
    LONGEST_BACKOFF_S = 30.0
    ROUNDING_S = 1e-6  # a clock may not be able to move by less

    def __init__(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        max_concurrency: int = 256,
    ) -> None:
        self.window = Window(max_concurrency)
        self.rate = SendRate()
        self.requests: Allowance | None = None
        self.tokens: Allowance | None = None
        self.in_flight = 0
        self.admitted = 0
        self.succeeded = 0
        self.refused = 0
        self.held_until = -math.inf
        self._cut_at = -math.inf
        self._cuts_in_a_row = 0
        self.limit(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            max_concurrency=max_concurrency,
        )

    def limit(
        self,
        *,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        max_concurrency: int | None,
    ) -> None:
        """Add limits of the user: of two, the tighter one holds."""
        if requests_per_minute and (
            self.requests is None or requests_per_minute < self.requests.per_minute
        ):
            self.requests = Allowance(requests_per_minute, burst_s=1.0)
        if tokens_per_minute and (
            self.tokens is None or tokens_per_minute < self.tokens.per_minute
        ):
            self.tokens = Allowance(tokens_per_minute, burst_s=5.0)
        if max_concurrency:
            self.window.ceiling = min(self.window.ceiling, max_concurrency)
            self.window.limit = min(self.window.limit, float(self.window.ceiling))

    def expect(self, calls: int) -> None:
        """So many are asked for at once: they go at once, as fast as they come, until a refusal."""
        if not self.refused:
            self.window.limit = max(self.window.limit, float(min(calls, self.window.ceiling)))
            self.rate.per_second = math.inf

    def wait_s(self, now: float, tokens: int) -> float:
        """Seconds until a call of about `tokens` may go; infinity when one must end first."""
        if self.in_flight >= int(self.window.limit):
            return math.inf
        waits = [self.held_until - now, self.rate.wait_s(now)]
        waits.extend(bucket.wait_s(now, amount) for bucket, amount in self._allowances(tokens))
        longest = max(waits)
        return longest if longest > self.ROUNDING_S else 0.0

    def admit(self, now: float, tokens: int) -> Permit:
        """Let a call go, which `wait_s` must have allowed just before."""
        for bucket, amount in self._allowances(tokens):
            bucket.take(now, amount)
        self.in_flight += 1
        self.admitted += 1
        after_s, at_full_rate = self.rate.sent(now)
        return Permit(
            serial=self.admitted,
            sent_at=now,
            after_s=after_s,
            tokens=tokens,
            at_full_rate=at_full_rate,
            at_full_window=self.in_flight >= int(self.window.limit),
        )

    def finish(
        self,
        now: float,
        call: Permit,
        outcome: Outcome,
        *,
        tokens: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Take note of how a call ended.

        Args:
            now: Seconds of the clock.
            call: What `admit` returned.
            outcome: `refused` is the server's word that calls come too fast; `overloaded` that it
                cannot take so many; `failed` says nothing about the pace.
            tokens: What the call really cost; the estimate stands where this is None.
            retry_after_s: What the server said about when to come back.
        """
        self.in_flight -= 1
        if self.tokens is not None and tokens is not None:
            self.tokens.take(now, tokens - call.tokens)
        if outcome == "succeeded":
            self._grow(call)
        elif outcome != "failed":
            self._slow_down(now, call, retry_after_s, rate_too=outcome == "refused")

    def _grow(self, call: Permit) -> None:
        self.succeeded += 1
        self._cuts_in_a_row = 0
        if call.sent_at < self._cut_at:
            return  # from before the last cut: says nothing about the pace after it
        if call.at_full_rate:
            self.rate.grow()
        if call.at_full_window:
            self.window.grow()

    def _slow_down(
        self, now: float, call: Permit, retry_after_s: float | None, *, rate_too: bool
    ) -> None:
        self.refused += 1
        self.rate.cycle_refused += 1
        first_of_round_trip = call.sent_at > self._cut_at
        self._hold(now, retry_after_s, longer=first_of_round_trip)
        if not first_of_round_trip:
            return
        self._cut_at = now
        self.window.halve(self.in_flight + 1, was_full=call.at_full_window)
        if rate_too:
            self.rate.cut(call, self.held_until, retry_after_s)

    def _hold(self, now: float, retry_after_s: float | None, *, longer: bool) -> None:
        """Hold everybody back: as the server says, and ever longer while it takes nobody."""
        wait_s = retry_after_s or 0.0
        if longer:
            self._cuts_in_a_row += 1
            patience = self._cuts_in_a_row - (1 if wait_s == 0 else 3)
            if patience >= 0:
                backoff_s = self.FIRST_BACKOFF_S * 2.0 ** min(patience, 16)
                wait_s = max(wait_s, min(self.LONGEST_BACKOFF_S, backoff_s))
        self.held_until = max(self.held_until, now + wait_s)

    def _allowances(self, tokens: int) -> Iterable[tuple[Allowance, float]]:
        if self.requests is not None:
            yield self.requests, 1.0
        if self.tokens is not None:
            yield self.tokens, float(tokens)
