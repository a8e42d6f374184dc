"""Entropy of personas."""

from collections.abc import Sequence

from metasynth.eval.entropy import label_entropy
from metasynth.eval.metric import Measurement, metric


@metric("entropy of personas", better="higher", needs="personas", place=16)
def persona_entropy(personas: Sequence[str]) -> Measurement:
    """Bits, of the persona labels."""
    return label_entropy(personas, what="persona")
