"""Budget and quota: never one call or record too many, whatever the order of events."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.config.run import BudgetConfig
from metasynth.errors import BudgetEndedError
from metasynth.graphs.run.budget import Budget, Quota


@dataclass
class Spent:
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestBudget:
    @pytest.mark.parametrize(
        ("limits", "below", "reached", "said"),
        [
            ({"calls": 5}, Spent(calls=4), Spent(calls=5), "budget.calls: 5 of 5 calls used"),
            (
                {"tokens": 100},
                Spent(tokens_in=60, tokens_out=39),
                Spent(tokens_in=60, tokens_out=41),
                "budget.tokens: 101 of 100 tokens used",
            ),
            (
                {"usd": 0.5},
                Spent(usd=0.499),
                Spent(usd=0.5),
                "budget.usd: 0.5000 of 0.5 dollars used",
            ),
        ],
    )
    def test_each_limit_lets_calls_pass_until_it_is_reached(
        self, limits: dict[str, float], below: Spent, reached: Spent, said: str
    ) -> None:
        config = BudgetConfig.model_validate(limits)
        Budget(config, lambda: below).check()
        with pytest.raises(BudgetEndedError) as caught:
            Budget(config, lambda: reached).check()
        assert caught.value.message == said

    def test_minutes_count_from_the_start(self) -> None:
        clock = Clock()
        budget = Budget(BudgetConfig(minutes=2), Spent, clock)
        clock.now += 119
        assert budget.ended() is None
        clock.now += 1
        assert budget.ended() == "budget.minutes: 2.0 of 2.0 minutes used"

    def test_without_limits_nothing_ends(self) -> None:
        clock = Clock()
        budget = Budget(BudgetConfig(), lambda: Spent(10**9, 10**9, 10**9, 1e9), clock)
        clock.now += 1e9
        assert budget.ended() is None

    def test_what_is_spent_is_asked_anew_each_time(self) -> None:
        spent = Spent()
        budget = Budget(BudgetConfig(calls=1), lambda: spent)
        budget.check()
        spent.calls = 1
        assert budget.ended() is not None


@dataclass
class Course:
    """What a schedule of chains came to."""

    accepted: int = 0
    in_work: int = 0
    most_in_work: int = 0
    started: int = 0


async def chain(quota: Quota, outcomes: list[bool], steps: list[int], course: Course) -> None:
    while await quota.take():
        course.started += 1
        course.in_work += 1
        course.most_in_work = max(course.most_in_work, course.accepted + course.in_work)
        for _ in range(steps.pop() if steps else 0):
            await asyncio.sleep(0)  # gives way: no time passes
        accepted = outcomes.pop() if outcomes else True
        course.in_work -= 1
        course.accepted += accepted
        await quota.finish(accepted=accepted)


class TestQuota:
    @settings(max_examples=60, deadline=None)
    @given(
        goal=st.integers(1, 12),
        before=st.integers(0, 14),
        chains=st.integers(1, 8),
        outcomes=st.lists(st.booleans(), max_size=40),
        steps=st.lists(st.integers(0, 5), max_size=60),
    )
    def test_the_goal_is_met_and_never_passed_in_any_order(
        self, goal: int, before: int, chains: int, outcomes: list[bool], steps: list[int]
    ) -> None:
        course = Course()

        async def run() -> Quota:
            quota = Quota(goal, accepted=before, stall_after=10_000)
            work = (chain(quota, outcomes, steps, course) for _ in range(chains))
            await asyncio.wait_for(asyncio.gather(*work), timeout=60)
            return quota

        quota = asyncio.run(run())
        assert quota.stopped_because is None
        assert before + course.accepted == max(goal, before)
        assert course.in_work == 0
        assert before + course.most_in_work <= max(goal, before)

    async def test_a_waiting_chain_takes_the_place_of_a_rejected_record(self) -> None:
        quota = Quota(1, accepted=0, stall_after=9)
        assert await quota.take()
        waiting = asyncio.ensure_future(quota.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        await quota.finish(accepted=False)
        assert await waiting

    async def test_a_waiting_chain_goes_home_when_the_last_record_is_accepted(self) -> None:
        quota = Quota(1, accepted=0, stall_after=9)
        assert await quota.take()
        waiting = [asyncio.ensure_future(quota.take()) for _ in range(3)]
        await quota.finish(accepted=True)
        assert await asyncio.gather(*waiting) == [False] * 3
        assert quota.stopped_because is None

    async def test_too_many_rejections_in_a_row_are_a_stall(self) -> None:
        quota = Quota(9, accepted=0, stall_after=3)
        for accepted in (False, False, True, False, False):
            assert await quota.take()
            await quota.finish(accepted=accepted)
        assert quota.stopped_because is None
        assert await quota.take()
        await quota.finish(accepted=False)
        assert str(quota.stopped_because).startswith("stalled: 3 records in a row were rejected")
        assert not await quota.take()

    async def test_a_start_that_accepts_nothing_ends_sooner_than_a_stall(self) -> None:
        quota = Quota(9, accepted=0, stall_after=9, first_within=2)
        for _ in range(2):
            assert await quota.take()
            await quota.finish(accepted=False)
        assert str(quota.stopped_because).startswith("nothing_accepted: 2 records")
        assert not await quota.take()
        await quota.begin(accepted=0, held=0)  # the same command has its chance again
        assert await quota.take()
        await quota.finish(accepted=True)
        for _ in range(4):
            assert await quota.take()
            await quota.finish(accepted=False)
        assert quota.stopped_because is None

    async def test_a_stop_ends_the_waiting_and_the_first_reason_stays(self) -> None:
        quota = Quota(2, accepted=0, stall_after=3)
        assert await quota.take()
        assert await quota.take()
        waiting = asyncio.ensure_future(quota.take())
        await quota.stop("budget.calls: 5 of 5 calls used")
        await quota.stop("budget.minutes")
        assert not await waiting
        assert quota.stopped_because == "budget.calls: 5 of 5 calls used"

    async def test_a_record_in_work_when_others_stop_may_still_end(self) -> None:
        quota = Quota(5, accepted=0, stall_after=3)
        assert await quota.take()
        assert await quota.take()
        await quota.stop("budget.calls")
        await quota.finish(accepted=True)
        assert not await quota.take()

    async def test_a_goal_that_is_reached_already_starts_nothing(self) -> None:
        assert not await Quota(3, accepted=3, stall_after=1).take()
        assert not await Quota(3, accepted=7, stall_after=1).take()
