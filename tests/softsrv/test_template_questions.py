"""PT: exemplars round robin, stable numbers, counted failures, order whatever the concurrency."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from metasynth.errors import BudgetEndedError, RequestError
from metasynth.softsrv.baselines.task_templates import load_templates
from metasynth.softsrv.baselines.template_questions import ParseTally, template_questions
from metasynth.softsrv.sampling.samples import Sample
from tests.raising import raises

TASK = load_templates("mathematics")


@dataclass(frozen=True)
class Row:
    id: str
    text: str


ROWS = [Row(f"target-{number}", f"How many of {number}?") for number in range(7)]


class Teacher:
    """Numbers its questions; `lost` of them are left out of every reply."""

    def __init__(self, *, lost: int = 0, delay: Callable[[str], Awaitable[None]] | None = None):
        self.asked: list[tuple[str, str, float]] = []
        self.at_once = self.most_at_once = 0
        self._lost = lost
        self._delay = delay

    async def __call__(self, prompt: str, *, step: str, temperature: float) -> str:
        self.asked.append((prompt, step, temperature))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self._delay is not None:
            await self._delay(step)
        self.at_once -= 1
        count = 10 - self._lost if "Write 10" in prompt else 1
        lines = [f"Question {n}: {step}, n. {n}?" for n in range(1, count + 1)]
        return "\n".join(lines)

    def exemplars(self) -> list[str]:
        return [next(row.id for row in ROWS if row.text in prompt) for prompt, *_ in self.asked]


async def questions(
    teacher: Teacher, *, count: int, per_call: int = 10, start: int = 0, concurrency: int = 1
) -> list[Sample]:
    return [
        sample
        async for sample in template_questions(
            teacher,
            ROWS,
            TASK,
            count=count,
            per_call=per_call,
            temperature=0.5,
            seed=3,
            start=start,
            concurrency=concurrency,
        )
    ]


async def test_ten_a_call_and_exemplars_round_robin() -> None:
    teacher = Teacher()
    samples = await questions(teacher, count=175)
    assert [sample.number for sample in samples] == list(range(175))
    assert len(teacher.asked) == 18
    uses = Counter(teacher.exemplars())
    assert set(uses) == {row.id for row in ROWS}
    assert max(uses.values()) - min(uses.values()) <= 1
    assert {temperature for *_, temperature in teacher.asked} == {0.5}
    assert len({step for _, step, _ in teacher.asked}) == 18
    assert samples[25].text == "questions/2, n. 6?"
    assert samples[25].context_id == teacher.exemplars()[2]


async def test_one_a_call_uses_the_other_prompt() -> None:
    teacher = Teacher()
    samples = await questions(teacher, count=3, per_call=1)
    assert len(samples) == len(teacher.asked) == 3
    assert all("Write one new problem" in prompt for prompt, *_ in teacher.asked)


async def test_a_question_depends_on_seed_and_number_alone() -> None:
    whole = await questions(Teacher(), count=60)
    parts = [*await questions(Teacher(), count=23), *await questions(Teacher(), count=37, start=23)]
    assert parts == whole


async def test_what_is_not_found_leaves_its_number_out_and_is_counted() -> None:
    tally = ParseTally()
    made = template_questions(
        Teacher(lost=4), ROWS, TASK, count=30, temperature=1, seed=0, tally=tally
    )
    numbers = [sample.number async for sample in made]
    assert numbers == [*range(6), *range(10, 16), *range(20, 26)]
    assert (tally.calls, tally.asked, tally.found, tally.failures) == (3, 30, 18, 12)


async def test_many_calls_at_once_give_the_same_in_the_same_order() -> None:
    waiting: dict[str, asyncio.Event] = {}

    async def later_calls_end_first(step: str) -> None:
        waiting[step] = asyncio.Event()
        if len(waiting) == 4:
            for event in reversed(waiting.values()):
                event.set()
        await waiting[step].wait()

    teacher = Teacher(delay=later_calls_end_first)
    samples = await questions(teacher, count=40, concurrency=4)
    assert teacher.most_at_once == 4
    assert samples == await questions(Teacher(), count=40)


async def test_a_call_that_fails_ends_it_and_leaves_none_running() -> None:
    gone: list[str] = []

    async def delay(step: str) -> None:
        if step.endswith("/0"):
            await asyncio.sleep(0)
            raise RuntimeError("no more")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            gone.append(step)
            raise

    with pytest.raises(RuntimeError, match="no more"):
        await questions(Teacher(delay=delay), count=40, concurrency=3)
    assert gone == ["questions/1", "questions/2"]


async def test_calls_that_are_paid_for_end_where_the_budget_does() -> None:
    ended: list[str] = []

    async def delay(step: str) -> None:
        if step.endswith("/0"):
            raise BudgetEndedError("budget.calls: 1 of 1 calls used")
        for _ in range(3):
            await asyncio.sleep(0)
        ended.append(step)

    with pytest.raises(BudgetEndedError):
        await questions(Teacher(delay=delay), count=40, concurrency=3)
    assert ended == ["questions/1", "questions/2"]


async def test_an_empty_target_is_told() -> None:
    made = template_questions(Teacher(), [], TASK, count=1, temperature=1, seed=0)
    with raises(RequestError, "no_target"):
        await anext(made)
