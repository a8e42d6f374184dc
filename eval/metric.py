"""A measured value: by which settings, of how many texts, or why there is none.

A value that is not defined is None with a reason, never 0, 1 or NaN: those would be read as
results.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """A value and what it takes to compare it with another one.

    Attributes:
        value: None where the metric is not defined; `reason` says why.
        n: Texts that it is of.
        settings: Everything that decides the value besides the texts; two values with different
            settings cannot be compared.
        detail: What else was found on the way.
        reason: Why there is no value.
    """

    value: float | None
    n: int
    settings: Mapping[str, object] = field(default_factory=dict)
    detail: Mapping[str, object] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError("a metric has a value, or a reason why it has none")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a metric's value is a number, not {self.value}")

    def plain(self) -> dict[str, object]:
        """As what JSON can hold."""
        return {
            "value": self.value,
            "reason": self.reason,
            "n": self.n,
            "settings": dict(self.settings),
            "detail": dict(self.detail),
        }


def undefined(reason: str, n: int, settings: Mapping[str, object] | None = None) -> Metric:
    """A metric that is not defined for these texts."""
    return Metric(None, n, settings or {}, reason=reason)


class MetricSpec(NamedTuple):
    """How a metric is shown.

    Attributes:
        title: For tables.
        better: Which end is the more diverse one.
        meaning: One line.
        family: What it is computed from: the words, the vectors, the labels, or a language model.
    """

    title: str
    better: Better
    meaning: str
    family: Literal["words", "vectors", "labels", "model"]


# In the order of MetaSynth's seven (the first eight: its n-gram diversity is two), then the others.
METRICS: Mapping[str, MetricSpec] = {
    "task2vec": MetricSpec(
        "Task2Vec diversity",
        "higher",
        "mean distance of Fisher embeddings of random batches",
        "model",
    ),
    "compression_ratio": MetricSpec(
        "compression ratio", "lower", "bytes of the texts / bytes of their gzip", "words"
    ),
    "ngram_diversity_1": MetricSpec(
        "1-gram diversity", "higher", "distinct words / words", "words"
    ),
    "ngram_diversity_4": MetricSpec(
        "4-gram diversity", "higher", "distinct runs of four words / all of them", "words"
    ),
    "remote_clique": MetricSpec(
        "remote clique", "higher", "mean cosine distance of a text to the others", "vectors"
    ),
    "chamfer_distance": MetricSpec(
        "Chamfer distance", "higher", "mean cosine distance of a text to its nearest", "vectors"
    ),
    "mean_inverse_frequency": MetricSpec(
        "mean inverse frequency",
        "higher",
        "mean of 1 / a word's share in a reference corpus",
        "words",
    ),
    "vendi_score": MetricSpec(
        "Vendi score", "higher", "effective number of different texts", "vectors"
    ),
    "compression_ratio_xz": MetricSpec(
        "compression ratio (xz)", "lower", "as with gzip, but far repeats are seen too", "words"
    ),
    "self_bleu": MetricSpec(
        "Self-BLEU", "lower", "mean BLEU of a text against the others", "words"
    ),
    "homogenization": MetricSpec(
        "homogenization (ROUGE-L)", "lower", "mean ROUGE-L of two texts", "words"
    ),
    "self_repetition": MetricSpec(
        "self-repetition",
        "lower",
        "mean ln(1 + how often a text's 4-grams stand in others)",
        "words",
    ),
    "near_duplicate_rate": MetricSpec(
        "near-duplicates", "lower", "share of texts that nearly equal another", "words"
    ),
    "opening_entropy": MetricSpec(
        "entropy of openings", "higher", "bits, of the texts' first words", "words"
    ),
    "topic_entropy": MetricSpec(
        "entropy of topics", "higher", "bits, of the topic labels", "labels"
    ),
    "persona_entropy": MetricSpec(
        "entropy of personas", "higher", "bits, of the persona labels", "labels"
    ),
}
