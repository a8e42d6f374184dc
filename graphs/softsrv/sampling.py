"""The stage that makes samples: drawn from the frozen model, or asked of the teacher.

`samples.jsonl` grows sample by sample; an earlier start's are gone on from.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from metasynth.blocking import Check, in_thread
from metasynth.graphs.questions.templates import TeacherAsk

from .steering.backbone import start_ids
from .workspace import SoftSRVWorkspace

if TYPE_CHECKING:
    from metasynth.softsrv.sampling.samples import Sample

_DEFAULT_TEMPERATURE = 1.0


async def make_samples(workspace: SoftSRVWorkspace, check: Check) -> int:
    """Make the samples that are not there yet; how many there are.

    Raises:
        BudgetEndedError: `check` or a call raised it; what is made is kept.
    """
    if "samples" not in workspace.manifest:
        with workspace.steering.progress.stage("sampling"):
            if workspace.plan.asks_teacher:
                await _ask_for_samples(workspace, check)
            else:
                await in_thread(lambda checked: _draw_samples(workspace, checked), check)
    return int(workspace.manifest["samples"]["sampled"])


def _draw_samples(workspace: SoftSRVWorkspace, check: Check) -> None:
    from metasynth.softsrv.sampling.samples import SampleFile

    began, count = time.monotonic(), workspace.plan.settings.sampling.count
    with SampleFile(workspace.steering.folder.samples) as file:
        start = file.next_number
        for sample in _drawn(workspace, check, start=start):
            file.append(sample)
            workspace.steering.progress.text = f"sampled {sample.number + 1} of {count}"
            check()
    _finish(workspace, began, count - start, {})


def _drawn(workspace: SoftSRVWorkspace, check: Check, *, start: int) -> "Iterator[Sample]":
    """What the frozen model gives, with its soft prompt or alone, from number `start` on."""
    from metasynth.softsrv.sampling.soft_sampler import unconditional

    settings, steering = workspace.plan.settings, workspace.steering
    count = max(0, settings.sampling.count - start)
    if settings.method == "soft":
        yield from steering.sampler(check).sample(count, start=start)
        return
    backbone = steering.backbone()
    yield from unconditional(
        backbone,
        count,
        settings.sampling,
        seed=settings.random_seed,
        start=start,
        start_ids=start_ids(backbone),
    )


async def _ask_for_samples(workspace: SoftSRVWorkspace, check: Check) -> None:
    from metasynth.softsrv.sampling.samples import SampleFile

    began, count = time.monotonic(), workspace.plan.settings.sampling.count
    questions = _TeacherQuestions(workspace)
    file = await asyncio.to_thread(SampleFile, workspace.steering.folder.samples)
    try:
        async for sample in questions:
            if sample.number >= file.next_number:
                await asyncio.to_thread(file.append, sample)
            workspace.steering.progress.text = f"asked for {sample.number + 1} of {count}"
            check()
    finally:
        await asyncio.to_thread(file.close)
    await asyncio.to_thread(_finish, workspace, began, count, questions.counts)


class _TeacherQuestions:
    """What the teacher gives by the method's templates, with the counts of its replies."""

    def __init__(self, workspace: SoftSRVWorkspace) -> None:
        from metasynth.softsrv.baselines.self_refinement import RefinementTally
        from metasynth.softsrv.baselines.template_questions import ParseTally

        self._workspace = workspace
        self._parsed: ParseTally = ParseTally()
        self._refined: RefinementTally = RefinementTally()

    @property
    def counts(self) -> dict[str, Any]:
        """For the manifest."""
        counts: dict[str, Any] = {
            "calls": self._parsed.calls + self._refined.calls,
            "asked": self._parsed.asked,
            "parse_failures": self._parsed.failures,
        }
        if self._workspace.plan.settings.method == "template_refine":
            counts["refinement"] = asdict(self._refined)
        return counts

    async def __aiter__(self) -> "AsyncIterator[Sample]":
        """All samples from the first number: the ledger answers what was asked before."""
        from metasynth.softsrv.baselines.self_refinement import refined_questions
        from metasynth.softsrv.baselines.template_questions import template_questions

        plan, settings = self._workspace.plan, self._workspace.plan.settings
        ask, concurrency = TeacherAsk(self._workspace), self._workspace.config.concurrency
        single = settings.method == "template_single"
        questions = template_questions(
            ask,
            plan.rows,
            plan.templates,
            count=settings.sampling.count,
            per_call=1 if single else settings.baseline.per_call,
            temperature=_DEFAULT_TEMPERATURE if single else settings.baseline.temperature,
            seed=settings.random_seed,
            concurrency=concurrency,
            tally=self._parsed,
        )
        if settings.method == "template_refine":
            questions = refined_questions(
                ask,
                questions,
                plan.templates,
                rounds=settings.baseline.rounds,
                temperature=_DEFAULT_TEMPERATURE,
                concurrency=concurrency,
                tally=self._refined,
            )
        async with aclosing(questions) as samples:
            async for sample in samples:
                yield sample


def _finish(workspace: SoftSRVWorkspace, began: float, drawn: int, more: Mapping[str, Any]) -> None:
    """`seconds` are of this start, in which `timed` numbers were worked on."""
    from metasynth.softsrv.sampling.samples import read_samples
    from metasynth.softsrv.sampling.soft_sampler import SamplingSummary

    summary = SamplingSummary.of(read_samples(workspace.steering.folder.samples))
    counts = {
        "sampled": summary.samples,
        "stopped": summary.stopped,
        "stop_rate": round(summary.stop_rate, 4),
        "tokens": summary.tokens,
        "seconds": round(time.monotonic() - began, 2),
        "timed": max(0, drawn),
        **more,
    }
    workspace.manifest.finish("samples", counts)
