"""What the conductor's tool draws from: the run's soft prompt, many chains at once."""

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metasynth.blocking import Check, in_thread
from metasynth.config.softsrv import SoftSRVConfig

from .steering import Steering

if TYPE_CHECKING:
    from metasynth.softsrv.manifest import Manifest
    from metasynth.softsrv.sampling.samples import Sample
    from metasynth.text.contamination import Contamination


class RunSampler:
    """`metasynth.graphs.DraftSampler` on a `Steering`."""

    def __init__(
        self, steering: Steering, manifest: "Manifest", contamination: "Contamination | None"
    ) -> None:
        self._steering = steering
        self._manifest = manifest
        self._contamination = contamination
        self._settings: SoftSRVConfig = steering.settings
        self._one_at_a_time = asyncio.Lock()
        self._encoding = threading.Lock()  # a tokenizer does not bear two threads
        self.name = f"softsrv:{steering.model}"
        self.most_samples = self._settings.tool.samples
        self.most_uses = self._settings.tool.uses

    @property
    def stage(self) -> str:
        """What is being made ready."""
        return self._steering.stage

    async def prepare(self, check: Check) -> int:
        """Load or train the soft prompt; how many contexts it has."""
        async with self._one_at_a_time:
            return await in_thread(self._prepare, check)

    async def draw(self, near: str, count: int, *, start: int) -> Sequence["Sample"]:
        """See `DraftSampler.draw`."""
        return await in_thread(lambda check: self._draw(near, count, start, check), _no_check)

    def contaminated(self, text: str) -> str:
        """See `QuestionSource.contaminated`."""
        return told_hit(self._contamination, text)

    def _prepare(self, check: Check) -> int:
        artifact = self._steering.artifact(check)
        if "contexts" not in self._manifest:
            self._manifest.finish("contexts", self._steering.told())
        return len(artifact.rows)

    def _draw(self, near: str, count: int, start: int, check: Check) -> "list[Sample]":
        sampler = self._steering.sampler(check)
        with self._encoding:
            contexts = sampler.near(near, count) if near else None
        drawn: list[Sample] = []
        for sample in sampler.sample(count, start=start, contexts=contexts):
            check()
            drawn.append(sample)
        return drawn


def told_hit(contamination: "Contamination | None", text: str) -> str:
    """What a text shares with the test set, in words; "" for nothing."""
    hit = contamination.hits(text) if contamination is not None else None
    return f"{hit.kind} match with {hit.place}: {hit.detail}" if hit is not None else ""


def _no_check() -> None:
    """A draw is short: nothing but cancelling it need stop it."""
