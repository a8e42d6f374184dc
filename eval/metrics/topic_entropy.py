"""Entropy of topics."""

from collections.abc import Sequence

from metasynth.eval.entropy import label_entropy
from metasynth.eval.metric import Measurement, metric


@metric("entropy of topics", better="higher", needs="topics", place=15)
def topic_entropy(topics: Sequence[str]) -> Measurement:
    """Bits, of the topic labels."""
    return label_entropy(topics, what="topic")
