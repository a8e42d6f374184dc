"""Where a run's questions come from: SoftSRV or a baseline, with the same post-processing.

Everything lies in RUN/softsrv: `contexts.jsonl`, `samples.jsonl`, `candidates.jsonl`, the trained
`artifact`, and `manifest.json` with the counts of each stage. A stage that the manifest tells of is
not carried out again; samples go on at the number after the last one.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metasynth.blocking import Check, in_thread
from metasynth.config.softsrv import AnswerConfig
from metasynth.softsrv.run_folder import SoftSRVFolder

from .audit import audited
from .question_sources import AskedSamples, Materials, drawn_samples
from .sampler import told_hit

if TYPE_CHECKING:
    from metasynth.softsrv.baselines.task_templates import TaskTemplates
    from metasynth.softsrv.manifest import Manifest
    from metasynth.softsrv.sampling.samples import Candidate
    from metasynth.softsrv.target import TargetRow


class RunQuestions:
    """`metasynth.graphs.QuestionSource` in a run directory.

    Args:
        folder: RUN/softsrv.
        manifest: Its manifest.
        made: What questions are made with.
    """

    def __init__(self, folder: SoftSRVFolder, manifest: "Manifest", made: Materials) -> None:
        self._folder = folder
        self._manifest = manifest
        self._made = made
        self._settings = made.settings
        self._stage = ""

    @property
    def method(self) -> str:
        """What records have as their source."""
        return "softsrv" if self._settings.method == "soft" else self._settings.method

    @property
    def stage(self) -> str:
        """What is being done now."""
        return self._stage or self._made.steering.stage

    @property
    def models(self) -> Mapping[str, str]:
        """The frozen model, where it makes the questions."""
        return {} if self._is_asked else {"softsrv": self._made.steering.model}

    async def prepare(self, check: Check) -> int:
        """See `QuestionSource.prepare`."""
        return await in_thread(self._prepare, check)

    async def sample(self, check: Check) -> int:
        """See `QuestionSource.sample`."""
        if "samples" not in self._manifest:
            try:
                if self._is_asked:
                    await self._ask_for_samples(check)
                else:
                    await in_thread(self._draw_samples, check)
            finally:
                self._stage = ""
        return int(self._manifest["samples"]["sampled"])

    async def candidates(self, check: Check) -> "Sequence[Candidate]":
        """See `QuestionSource.candidates`."""
        try:
            return await in_thread(self._candidates, check)
        finally:
            self._stage = ""

    def answer_prompt(self, question: str) -> str | None:
        """See `QuestionSource.answer_prompt`."""
        return answer_prompt(self._settings.answers, self._made.templates, question)

    def contaminated(self, text: str) -> str:
        """See `QuestionSource.contaminated`."""
        return told_hit(self._made.contamination, text)

    async def close(self, ended: Mapping[str, Any]) -> None:
        """See `QuestionSource.close`."""
        await asyncio.to_thread(self._manifest.finish, "records", ended)

    @property
    def _is_asked(self) -> bool:
        return self._settings.method.startswith("template")

    def _prepare(self, check: Check) -> int:
        steering, method = self._made.steering, self._settings.method
        rows: Sequence[TargetRow] = []
        if method == "soft":
            rows = steering.artifact(check).rows
        elif self._is_asked:
            rows = self._made.rows
            self._folder.write_contexts(rows)
        else:
            steering.backbone()
        if "contexts" not in self._manifest:
            counts = {"contexts": len(rows), "method": method}
            self._manifest.finish("contexts", steering.told() if method == "soft" else counts)
        return len(rows)

    def _draw_samples(self, check: Check) -> None:
        from metasynth.softsrv.sampling.samples import SampleFile

        began, count = time.monotonic(), self._settings.sampling.count
        with SampleFile(self._folder.samples) as file:
            start = file.next_number
            for sample in drawn_samples(self._made, check, start=start):
                file.append(sample)
                self._stage = f"sampled {sample.number + 1} of {count}"
                check()
        self._finish_samples(began, count - start, {})

    async def _ask_for_samples(self, check: Check) -> None:
        from metasynth.softsrv.sampling.samples import SampleFile

        began, count = time.monotonic(), self._settings.sampling.count
        asked = AskedSamples(self._made)
        file = await asyncio.to_thread(SampleFile, self._folder.samples)
        try:
            async for sample in asked:
                if sample.number >= file.next_number:
                    await asyncio.to_thread(file.append, sample)
                self._stage = f"asked for {sample.number + 1} of {count}"
                check()
        finally:
            await asyncio.to_thread(file.close)
        await asyncio.to_thread(self._finish_samples, began, count, asked.counts)

    def _finish_samples(self, began: float, drawn: int, more: Mapping[str, Any]) -> None:
        """`seconds` are of this start, in which `timed` numbers were worked on."""
        from metasynth.softsrv.sampling.samples import read_samples
        from metasynth.softsrv.sampling.soft_sampler import SamplingSummary

        summary = SamplingSummary.of(read_samples(self._folder.samples))
        counts = {
            "sampled": summary.samples,
            "stopped": summary.stopped,
            "stop_rate": round(summary.stop_rate, 4),
            "tokens": summary.tokens,
            "seconds": round(time.monotonic() - began, 2),
            "timed": max(0, drawn),
            **more,
        }
        self._manifest.finish("samples", counts)

    def _candidates(self, check: Check) -> "Sequence[Candidate]":
        from metasynth.softsrv.postprocess.pipeline import postprocess
        from metasynth.softsrv.sampling.samples import (
            read_candidates,
            read_samples,
            write_candidates,
        )

        path = self._folder.candidates
        if "postprocess" in self._manifest:
            return list(read_candidates(path))
        self._stage = "post-processing"
        check()
        samples = list(read_samples(self._folder.samples))
        if self._settings.method != "unconditional":
            copies = audited(self._folder, samples, self._made.embedder)
            self._manifest.finish("copies", dict(copies))
        result = postprocess(
            samples,
            self._settings.postprocess,
            seed=self._settings.random_seed,
            contaminants=self._made.contamination,
        )
        write_candidates(path, result.candidates)
        self._manifest.finish("postprocess", result.manifest())
        return result.candidates


def answer_prompt(answers: AnswerConfig, templates: "TaskTemplates", question: str) -> str | None:
    """What the teacher is asked for an answer; None where questions stay without one."""
    from metasynth.softsrv.baselines.task_templates import render_answer

    if answers.style == "none":
        return None
    if answers.style == "bare":
        return question
    if answers.template:
        return render_answer(answers.template, question)
    return templates.render("answer", question=question)
