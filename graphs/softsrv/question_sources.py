"""The ways to make questions, each as samples in order of their numbers."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from metasynth.blocking import Check
from metasynth.config.softsrv import SoftSRVConfig

from .steering import Steering, start_ids

if TYPE_CHECKING:
    from metasynth.softsrv.baselines.task_templates import TaskTemplates
    from metasynth.softsrv.baselines.template_questions import Ask
    from metasynth.softsrv.sampling.samples import Sample
    from metasynth.softsrv.target import TargetRow
    from metasynth.text.contamination import Contamination

_DEFAULT_TEMPERATURE = 1.0


class Materials(NamedTuple):
    """What a run's questions are made with.

    Attributes:
        settings: The section of the run file, with the run's seed.
        rows: The target; exemplars of the templates.
        templates: The prompts of the task.
        ask: The teacher, for the templates.
        steering: The frozen model and its soft prompt.
        contamination: The test set that must stay unseen.
        embedder: What measures how close samples are to the target's rows.
        concurrency: Calls of the templates that may be on their way at once.
    """

    settings: SoftSRVConfig
    rows: "Sequence[TargetRow]"
    templates: "TaskTemplates"
    ask: "Ask"
    steering: Steering
    contamination: "Contamination | None"
    embedder: str
    concurrency: int


def drawn_samples(made: Materials, check: Check, *, start: int) -> "Iterator[Sample]":
    """What the frozen model gives, with its soft prompt or alone; blocks."""
    from metasynth.softsrv.sampling.soft_sampler import unconditional

    settings = made.settings
    count = max(0, settings.sampling.count - start)
    if settings.method == "soft":
        yield from made.steering.sampler(check).sample(count, start=start)
        return
    backbone = made.steering.backbone()
    yield from unconditional(
        backbone,
        count,
        settings.sampling,
        seed=settings.random_seed,
        start=start,
        start_ids=start_ids(backbone),
    )


class AskedSamples:
    """What the teacher gives, by the method's templates, with the counts of its replies."""

    def __init__(self, made: Materials) -> None:
        from metasynth.softsrv.baselines.self_refinement import RefinementTally
        from metasynth.softsrv.baselines.template_questions import ParseTally

        self._made = made
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
        if self._made.settings.method == "template_refine":
            counts["refinement"] = asdict(self._refined)
        return counts

    async def __aiter__(self) -> "AsyncIterator[Sample]":
        """All samples from the first number: what was asked before costs nothing again."""
        from metasynth.softsrv.baselines.self_refinement import refined_questions
        from metasynth.softsrv.baselines.template_questions import template_questions

        made, settings = self._made, self._made.settings
        single = settings.method == "template_single"
        questions = template_questions(
            made.ask,
            made.rows,
            made.templates,
            count=settings.sampling.count,
            per_call=1 if single else settings.baseline.per_call,
            temperature=_DEFAULT_TEMPERATURE if single else settings.baseline.temperature,
            seed=settings.random_seed,
            concurrency=made.concurrency,
            tally=self._parsed,
        )
        if settings.method == "template_refine":
            questions = refined_questions(
                made.ask,
                questions,
                made.templates,
                rounds=settings.baseline.rounds,
                temperature=_DEFAULT_TEMPERATURE,
                concurrency=made.concurrency,
                tally=self._refined,
            )
        async with aclosing(questions) as samples:
            async for sample in samples:
                yield sample
