"""The language model that metrics ask."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM


@dataclass(frozen=True)
class Probe:
    """A probe network, and how much it is asked.

    Attributes:
        lm: Any causal language model.
        batches: Random batches of texts.
        texts: Of a batch.
        seed: Decides the batches.
        on_batch: Called with the batches that are done and all of them; it may raise to end it.
    """

    lm: "LoadedLM"
    batches: int = 10
    texts: int = 16
    seed: int = 0
    on_batch: Callable[[int, int], object] | None = None
