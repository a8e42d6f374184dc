"""The pacer in simulated time: what it never does, and how well it does the rest."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.agents.models.pacing.pacer import HeldTooLongError, Pacer, pacer_for
from tests.agents.models.virtual_time import VirtualTimeLoop


def in_virtual_time(main: Callable[[Pacer], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        pacer = Pacer(clock=runner.get_loop().time, **options)
        return runner.run(main(pacer))


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Server:
    """A model of a server: a token bucket and a limit of calls in flight."""

    per_second: float = 1e9
    burst: float = 1e9
    most_at_once: int = 10**6
    latency_s: float = 0.05
    refusal_latency_s: float = 0.005
    whole_seconds: bool = False
    says: bool = True
    level: float = field(init=False)
    updated_at: float = 0.0
    in_flight: int = 0
    max_in_flight: int = 0
    accepted_at: list[float] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.level = self.burst

    async def call(self) -> float | None:
        """None for an answer, seconds to wait for a refusal."""
        self.sent_at.append(now())
        self.level = min(self.burst, self.level + (now() - self.updated_at) * self.per_second)
        self.updated_at = now()
        if self.level < 1 or self.in_flight >= self.most_at_once:
            wait_s = max(0.0, 1 - self.level) / self.per_second
            wait_s = -(-wait_s // 1) if self.whole_seconds else wait_s
            await asyncio.sleep(self.refusal_latency_s)
            self.refused.append((now(), wait_s))
            return wait_s
        self.level -= 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.accepted_at.append(now())
        await asyncio.sleep(self.latency_s)
        self.in_flight -= 1
        return None


async def ask(pacer: Pacer, server: Server, tokens: int = 100) -> None:
    """A caller that asks until it is answered."""
    again = False
    while True:
        async with pacer.slot(tokens, again=again) as slot:
            wait_s = await server.call()
            if wait_s is None:
                slot.succeeded(tokens)
                return
            slot.refused(wait_s if server.says else None)
        again = True


def run_calls(server: Server, calls: int, **options: Any) -> float:
    """Seconds that so many calls took."""

    async def main(pacer: Pacer) -> float:
        async with asyncio.TaskGroup() as group:
            for _ in range(calls):
                group.create_task(ask(pacer, server))
        return now()

    return float(in_virtual_time(main, **options))


@pytest.mark.parametrize("whole_seconds", [False, True], ids=["fraction", "whole seconds"])
@pytest.mark.parametrize("burst", [1, 5, 10, 25, 50, 100])
@pytest.mark.parametrize("refusal_latency_s", [0.002, 0.05])
def test_a_server_with_50_requests_a_second_is_neither_stormed_nor_left_idle(
    burst: int, whole_seconds: bool, refusal_latency_s: float
) -> None:
    server = Server(50, burst, whole_seconds=whole_seconds, refusal_latency_s=refusal_latency_s)
    seconds = run_calls(server, 300)
    assert len(server.refused) <= (25 if refusal_latency_s > 0.01 else 8)
    assert seconds <= (10 if whole_seconds else 7)


def test_the_rate_is_learned_where_refusals_say_nothing() -> None:
    server = Server(50, 5, says=False)
    assert run_calls(server, 300) <= 8
    assert len(server.refused) <= 8


def test_a_long_run_uses_the_server_fully_with_few_refusals() -> None:
    server = Server(50, 5)
    assert run_calls(server, 2000) <= 1.05 * 2000 / 50
    assert len(server.refused) <= 30


def test_a_server_without_limits_is_soon_used_without_limits() -> None:
    assert run_calls(Server(), 1500) <= 6


def test_what_is_expected_goes_at_once_until_a_refusal() -> None:
    async def all_at_once(pacer: Pacer) -> tuple[int, float]:
        pacer.expect(50)

        async def call() -> None:
            async with pacer.slot() as slot:
                await asyncio.sleep(1.0)
                slot.succeeded()

        await asyncio.gather(*(call() for _ in range(50)))
        most, took = pacer.concurrency, now()
        async with pacer.slot() as slot:
            slot.refused()
        assert pacer.concurrency < 50
        assert pacer.calls_per_second < 100
        pacer.expect(50)  # what was refused once is found out by trying
        assert pacer.concurrency < 50
        return most, took

    most, took = in_virtual_time(all_at_once)
    assert most >= 50
    assert took == 1.0


def test_a_server_that_takes_four_at_once_gets_about_four_at_once() -> None:
    server = Server(most_at_once=4, latency_s=1.0, says=False)
    assert run_calls(server, 300) <= 1.35 * 300 / 4
    assert len(server.refused) <= 20


@settings(max_examples=40, deadline=None)
@given(
    per_second=st.floats(0.5, 500),
    burst=st.integers(1, 100),
    most_at_once=st.integers(1, 40),
    latency_s=st.floats(0.001, 5),
    refusal_latency_s=st.floats(0.001, 0.5),
    limit=st.integers(1, 40),
    calls=st.integers(1, 60),
    says=st.booleans(),
)
def test_every_caller_is_answered_and_no_limit_is_passed(
    limit: int, calls: int, **kind: Any
) -> None:
    server = Server(**kind)
    run_calls(server, calls, max_concurrency=limit)
    assert len(server.accepted_at) == calls
    assert server.max_in_flight <= limit


@settings(max_examples=40, deadline=None)
@given(
    per_second=st.floats(0.5, 100),
    burst=st.integers(1, 20),
    refusal_latency_s=st.floats(0.001, 0.5),
    calls=st.integers(10, 80),
)
def test_nobody_sends_before_the_time_that_a_refusal_named(calls: int, **kind: Any) -> None:
    server = Server(whole_seconds=True, **kind)
    run_calls(server, calls)
    for told_at, wait_s in server.refused:
        early = [at for at in server.sent_at if told_at < at < told_at + wait_s - 1e-5]
        assert not early


async def test_a_refusal_halves_once_per_round_trip() -> None:
    pacer = Pacer()
    before = pacer.concurrency
    for slot in [await pacer.slot().__aenter__() for _ in range(3)]:
        slot.refused(0.0)
    assert pacer.refused == 3
    assert pacer.concurrency == before // 2


def test_a_cancelled_caller_frees_its_place_in_the_queue_and_in_flight() -> None:
    async def main(pacer: Pacer) -> None:
        async def hold() -> None:
            async with pacer.slot():
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(hold()) for _ in range(5)]
        await asyncio.sleep(10)
        assert (pacer.in_flight, pacer.waiting) == (2, 3)
        tasks[2].cancel()  # the head of the queue
        tasks[0].cancel()  # one in flight
        await asyncio.sleep(10)
        assert (pacer.in_flight, pacer.waiting) == (2, 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (pacer.in_flight, pacer.waiting) == (0, 0)

    in_virtual_time(main, max_concurrency=2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=30), st.integers(1, 5))
def test_cancellations_at_any_moment_leave_nothing_behind(
    cancel_at: list[float], limit: int
) -> None:
    async def main(pacer: Pacer) -> None:
        server = Server(20, 3, latency_s=0.3)
        tasks = [asyncio.create_task(ask(pacer, server)) for _ in cancel_at]
        for task, at in zip(tasks, cancel_at, strict=True):
            asyncio.get_running_loop().call_later(at, task.cancel)
        last = asyncio.create_task(ask(pacer, server))
        await asyncio.gather(*tasks, return_exceptions=True)
        await last
        assert (pacer.in_flight, pacer.waiting) == (0, 0)

    in_virtual_time(main, max_concurrency=limit)


def test_callers_are_served_in_the_order_of_their_coming_and_the_refused_first() -> None:
    async def main(pacer: Pacer) -> list[str]:
        served: list[str] = []

        async def call(name: str, *, again: bool = False) -> None:
            async with pacer.slot(again=again):
                served.append(name)
                await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(call(name))
            await asyncio.sleep(0.5)
            group.create_task(call("refused before", again=True))
        return served

    assert in_virtual_time(main, max_concurrency=1) == ["a", "refused before", "b", "c"]


def test_requests_per_minute_hold_in_every_minute() -> None:
    server = Server(latency_s=0.01)
    seconds = run_calls(server, 250, requests_per_minute=120)
    sent = server.sent_at
    assert all(sum(at <= other < at + 60 for other in sent) <= 120 for at in sent)
    assert seconds <= 250 / 120 * 60 * 1.05


def test_tokens_per_minute_are_reserved_and_settled() -> None:
    async def main(pacer: Pacer) -> float:
        async def call() -> None:
            async with pacer.slot(1000) as slot:
                await asyncio.sleep(0.01)
                slot.succeeded(100)  # a tenth of what was feared

        async with asyncio.TaskGroup() as group:
            for _ in range(60):
                group.create_task(call())
        return now()

    # 60 calls of 100 tokens are one minute's worth of 6000; as 1000 each they would take ten.
    assert in_virtual_time(main, tokens_per_minute=6000) <= 90


def test_a_call_larger_than_the_burst_goes_at_once_and_is_paid_off_by_the_next() -> None:
    async def main(pacer: Pacer) -> float:
        for tokens in (1000, 1):
            async with pacer.slot(tokens) as slot:
                slot.succeeded()
        return now()

    assert 900 < in_virtual_time(main, tokens_per_minute=60) < 1100


def test_an_endpoint_that_asks_for_an_hour_is_not_waited_for() -> None:
    async def main(pacer: Pacer) -> float:
        async def refused() -> None:
            async with pacer.slot() as slot:
                await asyncio.sleep(1)
                slot.refused(3600)

        async def wait() -> None:
            with pytest.raises(HeldTooLongError, match="3600 s"):
                async with pacer.slot():
                    raise AssertionError

        await asyncio.gather(refused(), wait(), wait())
        return now()

    assert in_virtual_time(main, max_concurrency=1, max_hold_s=60) < 2


def test_callers_on_several_event_loops_share_one_pace() -> None:
    pacer = Pacer(max_concurrency=2)
    server = Server(latency_s=0.002)

    def work() -> None:
        async def main() -> None:
            await asyncio.gather(*(ask(pacer, server) for _ in range(20)))

        asyncio.run(main())

    async def both() -> None:
        await asyncio.gather(asyncio.to_thread(work), asyncio.to_thread(work))

    pacer._regulator.rate.per_second = 1e4
    asyncio.run(both())
    assert pacer.succeeded == 40
    assert (pacer.in_flight, pacer.waiting) == (0, 0)


def test_one_endpoint_has_one_pacer_and_the_tightest_limits() -> None:
    first = pacer_for("http://Host.example/v1/", "secret", requests_per_minute=100)
    second = pacer_for("http://host.example/v1", "secret", max_concurrency=3)
    assert first is second
    assert first.concurrency == 3
    assert pacer_for("http://host.example/v1", "another") is not first
    assert "secret" not in repr(vars(first))
