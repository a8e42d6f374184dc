"""The tries of one call: when the next one may be made, and when to give up."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from metasynth.errors import ModelCallError

from .pacer import HeldTooLongError, Pacer, Slot

LONGEST_BACKOFF_S = 30.0
Kind = Literal["refused", "overloaded", "failed", "final"]


@dataclass(frozen=True)
class Verdict:
    """What to do after a failed try.

    Attributes:
        kind: `refused`: too fast, the pacer slows down; `overloaded`: too much at once; `failed`:
            bad luck, try again; `final`: another try would end in the same way.
        text: What happened, in words.
        retry_after_s: What the server asked for.
        most_tries: So many are enough to know; None where nothing speaks against another.
        cause: What a server gives as the reason; where it gives the same again, another try would
            end in the same way. "" where it gives none.
    """

    kind: Kind
    text: str
    retry_after_s: float | None = None
    most_tries: int | None = None
    cause: str = ""


@dataclass(frozen=True)
class Endpoint:
    """Whom a call goes to and how patient it is.

    Attributes:
        url: Address, without secrets.
        model: Name of the model.
        pacer: Of the endpoint.
        max_tries: Tries for one call.
        first_backoff_s: Pause after the first failed try.
        answer_timeout_s: Time for one try.
        deadline_s: Time for the whole call.
        judge: What a try's error means; raises it where it is no failure of the endpoint.
        final_error: What the caller gets: from the last error, its verdict, the number of tries.
    """

    url: str
    model: str
    pacer: Pacer
    max_tries: int
    first_backoff_s: float
    answer_timeout_s: float | None
    deadline_s: float | None
    judge: Callable[[Exception], Verdict]
    final_error: Callable[[Exception, Verdict, int], Awaitable[ModelCallError]]


@dataclass
class Tries:
    """One call with all its tries.

    Args:
        endpoint: Whom it goes to.
        estimated_tokens: What one try will probably cost.
        jitter: Source of chance for the pauses.
    """

    endpoint: Endpoint
    estimated_tokens: int
    jitter: random.Random
    made: int = 0
    _counted: int = field(default=0, init=False)
    _error: Exception | None = field(default=None, init=False)
    _verdict: Verdict | None = field(default=None, init=False)
    _answered_then: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._started_at = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """The endpoint's permission for one try.

        Raises:
            ModelCallError: It does not come before the deadline, or the endpoint asks for too long
                a wait.
        """
        refused = self._verdict is not None and self._verdict.kind == "refused"
        slot = self.endpoint.pacer.slot(self.estimated_tokens, again=refused)
        left_s = self.left_s()
        if left_s is not None and self.endpoint.pacer.held_s > left_s:
            raise self._too_late() from self._error
        try:
            async with asyncio.timeout(left_s):
                await slot.__aenter__()
        except TimeoutError:
            raise self._too_late() from self._error
        except HeldTooLongError as error:
            raise ModelCallError(
                f"{self.endpoint.model} at {self.endpoint.url}: {error}"
                + (f" ({self._verdict.text})" if self._verdict else ""),
                hint="its quota is used up for now: start the same command again after that time",
                code="wait_too_long",
            ) from self._error
        self.made += 1
        self._answered_then = self.endpoint.pacer.succeeded
        try:
            yield slot
        finally:
            await slot.__aexit__(None, None, None)

    def left_s(self) -> float | None:
        """Seconds until the deadline; None where there is none."""
        if self.endpoint.deadline_s is None:
            return None
        now = asyncio.get_running_loop().time()
        return max(0.0, self._started_at + self.endpoint.deadline_s - now)

    def check_deadline(self) -> None:
        """Raises `TimeoutError` past the deadline, for answers that come in pieces."""
        if self.left_s() == 0:
            raise TimeoutError

    def try_timeout_s(self) -> float | None:
        """Seconds that one try may take."""
        limits = [self.endpoint.answer_timeout_s, self.left_s()]
        return min((limit for limit in limits if limit is not None), default=None)

    def failed(self, slot: Slot, error: Exception, *, final: bool = False) -> None:
        """The try ended with an error."""
        verdict = self.endpoint.judge(error)
        if verdict.kind == "refused":
            slot.refused(verdict.retry_after_s)
        elif verdict.kind == "overloaded":
            slot.overloaded(verdict.retry_after_s)
        others_answered = self.endpoint.pacer.succeeded > self._answered_then
        # A server that goes on answering others is not broken: its refusals are the pacer's matter.
        if verdict.kind != "refused" or not others_answered:
            self._counted += 1
        before = self._verdict
        if verdict.cause and before is not None and before.cause == verdict.cause:
            verdict = replace(verdict, most_tries=self._counted)
        if final:
            verdict = Verdict("final", f"{verdict.text}, and part of it had been shown already")
        self._verdict, self._error = verdict, error

    async def pause(self) -> None:
        """Wait before the next try.

        Raises:
            ModelCallError: There is to be none.
        """
        verdict, error = self._verdict, self._error
        assert verdict is not None
        assert error is not None
        most = min(self.endpoint.max_tries, verdict.most_tries or self.endpoint.max_tries)
        used_up = self._counted >= most or self.made >= 10 * self.endpoint.max_tries
        if verdict.kind == "final" or used_up:
            raise await self.endpoint.final_error(error, verdict, self.made) from error
        if verdict.kind == "refused":
            return  # the pacer holds everybody back, this call among them
        doubled = self.endpoint.first_backoff_s * 2.0 ** (self._counted - 1)
        backoff_s = min(LONGEST_BACKOFF_S, doubled) * self.jitter.uniform(0.5, 1.0)
        left_s = self.left_s()
        if left_s is not None and backoff_s >= left_s:
            raise self._too_late() from self._error
        await asyncio.sleep(backoff_s)

    def _too_late(self) -> ModelCallError:
        last = f", last: {self._verdict.text}" if self._verdict else ""
        return ModelCallError(
            f"{self.endpoint.model} at {self.endpoint.url}: "
            f"no answer within {self.endpoint.deadline_s:g} s ({self.made} tries{last})",
            hint="start the same command again later: it goes on where it stopped",
            code="deadline",
        )
