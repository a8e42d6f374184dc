"""PT, the template baseline: a teacher is shown one target row and asked for others like it.

SoftSRV, section 4: one example of the train set, ten different questions a call, temperature 2
chosen from {1, 2, 4}; undiversified, one question a call at the default temperature.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from metasynth.errors import RequestError
from metasynth.randomness import derive_seed, generator
from metasynth.softsrv.sampling.samples import Sample
from metasynth.softsrv.target import Row

from .ordered_calls import each, mapped
from .question_list import numbered_questions
from .task_templates import TaskTemplates


class Ask(Protocol):
    """Any chat model: a prompt in, its reply out.

    `step` names the call's place in the work, the same on every start, so that whoever keeps a
    ledger can answer from it.
    """

    async def __call__(self, prompt: str, *, step: str, temperature: float) -> str: ...


@dataclass
class ParseTally:
    """What came of the calls: questions asked for, and found in the replies."""

    calls: int = 0
    asked: int = 0
    found: int = 0

    @property
    def failures(self) -> int:
        """Questions that were asked for and not found."""
        return self.asked - self.found


async def template_questions(
    ask: Ask,
    rows: Sequence[Row],
    task: TaskTemplates,
    *,
    count: int,
    per_call: int = 10,
    temperature: float,
    seed: int,
    start: int = 0,
    concurrency: int = 1,
    tally: ParseTally | None = None,
) -> AsyncGenerator[Sample, None]:
    """Questions numbered `start` to `start + count - 1`, in order.

    Call c is shown one row, round robin in a seeded order, and its k-th question has the number
    c · per_call + k; a question that is not found in the reply leaves its number out. So a question
    depends on the seed and its number alone, and a call in the middle is asked again with the same
    step.

    Args:
        ask: The teacher.
        rows: The target's rows, the exemplars.
        task: Its prompts: `diverse` where `per_call` is more than 1, else `single`.
        count: How many numbers.
        per_call: How many questions one call asks for.
        temperature: Of every call.
        seed: Other seeds, another order of exemplars.
        start: The first number.
        concurrency: How many calls may be on their way at once.
        tally: Counts the calls and the questions that were found.

    Raises:
        RequestError: There are no rows.
        ConfigError: The task has no such prompt.
    """
    if not rows:
        raise RequestError(
            "the target is empty: a template needs rows as exemplars", code="no_target"
        )
    order = list(range(len(rows)))
    generator(seed, "exemplars").shuffle(order)
    counts = tally if tally is not None else ParseTally()

    async def asked(call: int) -> list[Sample]:
        row = rows[order[call % len(order)]]
        if per_call > 1:
            prompt = task.render("diverse", exemplar=row.text, count=per_call)
        else:
            prompt = task.render("single", exemplar=row.text)
        reply = await ask(prompt, step=f"questions/{call}", temperature=temperature)
        found = numbered_questions(reply, count=per_call, cut_before=task.cut_before)
        counts.calls += 1
        counts.asked += per_call
        counts.found += len(found)
        call_seed = derive_seed(seed, "call", call)
        return [
            Sample(text, row.id, call * per_call + place, call_seed, stopped=True, tokens=0)
            for place, text in enumerate(found)
        ]

    calls = range(start // per_call, -(-(start + count) // per_call))
    async with aclosing(mapped(asked, each(calls), concurrency=concurrency)) as replies:
        async for samples in replies:
            for sample in samples:
                if start <= sample.number < start + count:
                    yield sample
