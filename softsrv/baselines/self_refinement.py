"""PT with self-refinement: the teacher criticises its questions and rewrites them until it stops.

Self-Refine (Madaan et al. 2023) as SoftSRV's PT_SR uses it: a critique of clarity, difficulty and
originality, then a rewrite, or the word Stop where the critique is strongly positive. The paper
does not say how many rounds there are at most; here that is a setting.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import NamedTuple

from metasynth.softsrv.sampling.samples import Sample

from .ordered_calls import mapped
from .question_list import numbered_questions
from .task_templates import TaskTemplates
from .template_questions import Ask

_LABEL = re.compile(
    r"^[\s*_#>]*(?:here(?:'s| is)[^:\n]{0,60}|(?:the )?(?:refined|revised|rewritten|improved|new)"
    r"[^:\n]{0,30}|question|problem|task)[*_]*:[*_\s]*",
    re.IGNORECASE,
)
_STOP = re.compile(r"\W*stop\W*", re.IGNORECASE)


@dataclass
class RefinementTally:
    """How refinement went: `stopped` by the word, `capped` by the rounds, `failed` replies."""

    questions: int = 0
    calls: int = 0
    rewritten: int = 0
    stopped: int = 0
    capped: int = 0
    failed: int = 0


class _Round(NamedTuple):
    stop: bool
    text: str  # "" where nothing could be read


def says_stop(reply: str) -> bool:
    """Whether a reply to the refine prompt is the word Stop, whatever stands around or below it.

    A question that begins with the word (`Stop signs are …`) is none.
    """
    first = reply.strip().partition("\n")[0]
    return _STOP.fullmatch(first) is not None


async def refine(
    ask: Ask,
    sample: Sample,
    task: TaskTemplates,
    *,
    rounds: int = 3,
    temperature: float = 1.0,
    tally: RefinementTally | None = None,
) -> Sample:
    """The sample with its question rewritten, in at most `rounds` rounds of two calls each.

    A reply in which no question can be read ends it, and the last question stays.
    """
    counts = tally if tally is not None else RefinementTally()
    counts.questions += 1
    text = sample.text
    for number in range(rounds):
        step = f"refinement/{sample.number}/{number}"
        made = await _round(ask, text, task, step=step, temperature=temperature)
        counts.calls += 2
        if made.stop or not made.text:
            counts.stopped += made.stop
            counts.failed += not made.stop
            return replace(sample, text=text)
        counts.rewritten += 1
        text = made.text
    counts.capped += 1
    return replace(sample, text=text)


async def refined_questions(
    ask: Ask,
    samples: AsyncIterator[Sample],
    task: TaskTemplates,
    *,
    rounds: int = 3,
    temperature: float = 1.0,
    concurrency: int = 1,
    tally: RefinementTally | None = None,
) -> AsyncGenerator[Sample, None]:
    """Each sample refined, in order, with `concurrency` of them at work at once."""

    def begin(sample: Sample) -> Awaitable[Sample]:
        return refine(ask, sample, task, rounds=rounds, temperature=temperature, tally=tally)

    async with aclosing(mapped(begin, samples, concurrency=concurrency)) as refined:
        async for sample in refined:
            yield sample


async def _round(
    ask: Ask, question: str, task: TaskTemplates, *, step: str, temperature: float
) -> _Round:
    critique = await ask(
        task.render("critique", question=question), step=f"{step}/critique", temperature=temperature
    )
    if not critique.strip():
        return _Round(stop=False, text="")
    reply = await ask(
        task.render("refine", question=question, critique=critique.strip()),
        step=f"{step}/refine",
        temperature=temperature,
    )
    if says_stop(reply):
        return _Round(stop=True, text="")
    plain = _LABEL.sub("", reply, count=1)
    found = numbered_questions(plain, count=1, cut_before=task.cut_before)
    return _Round(stop=False, text=found[0] if found else "")
