"""What the conductor's tool draws drafts from: the run's soft prompt, many chains at once."""

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metasynth.blocking import Check, in_thread

from .steering import Steering

if TYPE_CHECKING:
    from metasynth.softsrv.manifest import Manifest
    from metasynth.softsrv.sampling.samples import Sample
    from metasynth.text.contamination import Contamination


class NoSampler:
    """There is nothing to draw from, so the conductor is offered no tool for it."""

    offered = False
    stage = ""

    async def prepare(self, check: Check) -> int:  # noqa: ARG002 - see `DraftSampler`
        """Nothing is to be made ready."""
        return 0


class DraftSampler(NoSampler):
    """Draws from a run's soft prompt.

    Args:
        steering: The soft prompt.
        manifest: Of RUN/softsrv.
        contamination: The test set that must stay unseen.

    Attributes:
        name: The model, as the ledger knows it.
        most_samples: Of one call.
        most_uses: Calls for one record.
    """

    offered = True

    def __init__(
        self, steering: Steering, manifest: "Manifest", contamination: "Contamination | None"
    ) -> None:
        self._steering = steering
        self._manifest = manifest
        self._contamination = contamination
        self._one_at_a_time = asyncio.Lock()
        self._encoding = threading.Lock()  # a tokenizer is not thread-safe
        self.name = f"softsrv:{steering.model}"
        self.most_samples = steering.settings.tool.samples
        self.most_uses = steering.settings.tool.uses

    @property
    def stage(self) -> str:  # type: ignore[override]
        """What is being made ready; "" for nothing."""
        return self._steering.progress.text

    async def prepare(self, check: Check) -> int:
        """Load or train the soft prompt, which the first draw would do; how many contexts it has.

        Raises:
            BudgetEndedError: `check` raised it.
        """
        async with self._one_at_a_time:
            return await in_thread(self._prepare, check)

    async def draw(self, near: str, count: int, *, start: int) -> Sequence["Sample"]:
        """`count` samples from the contexts nearest to a text, numbered from `start`.

        Without a text, from contexts in turn. The same arguments give the same samples.
        """
        return await in_thread(lambda check: self._draw(near, count, start, check), _no_check)

    def contaminated(self, text: str) -> str:
        """What a text shares with the test set that must stay unseen; "" for nothing."""
        from metasynth.text.contamination import match_with

        return match_with(self._contamination, text)

    def _prepare(self, check: Check) -> int:
        artifact = self._steering.artifact(check)
        if "contexts" not in self._manifest:
            self._manifest.finish("contexts", self._steering.summary())
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


def _no_check() -> None:
    """A draw is short: nothing but cancelling it need stop it."""
