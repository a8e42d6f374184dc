"""All metrics of one corpus at once: what they need is computed once for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from numpy.typing import ArrayLike

from metasynth.errors import MetaSynthError, RequestError

from .geometry import Matrix, unit_rows
from .metric import METRICS, NEEDS, Measurement, Metric, all_metrics, undefined
from .phrases import common_phrases
from .probe import Probe
from .tokens import TokenTable, tokenise
from .word_frequencies import WordFrequencies


@dataclass(frozen=True)
class Labels:
    """What texts are labelled with, one each; blank: none."""

    topics: Sequence[str] = ()
    personas: Sequence[str] = ()


def measure(
    texts: Sequence[str],
    *,
    vectors: ArrayLike | None = None,
    labels: Labels | None = None,
    reference: WordFrequencies | None = None,
    probe: Probe | None = None,
    seed: int = 0,
) -> dict[str, Measurement]:
    """Every metric of the registry, in the order of tables; what is not defined has a reason.

    Args:
        texts: The corpus, in a fixed order (compression depends on it a little).
        vectors: Embeddings, a row a text.
        labels: Topics and personas.
        reference: For the mean inverse frequency.
        probe: For Task2Vec.
        seed: Of what is sampled.

    Raises:
        RequestError: Vectors with NaN or a zero row, or not one a text; a metric of a plug-in
            failed (code `part_failed`).
    """
    material = _Material(texts, vectors, labels or Labels(), reference, probe, seed)
    return {name: _measured(name, one, material) for name, one in all_metrics().items()}


def plain_measurements(
    texts: Sequence[str],
    *,
    vectors: ArrayLike | None = None,
    labels: Labels | None = None,
    reference: WordFrequencies | None = None,
    probe: Probe | None = None,
    seed: int = 0,
) -> dict[str, object]:
    """As `measure`, as data that JSON can hold.

    Returns:
        `texts`, `words`, `characters`: the size; `metrics`: by name value, reason, n, settings and
        detail, with title, direction (`better`), meaning and family; `phrases`: runs of eight words
        that most texts share, and how many do.
    """
    measurements = measure(
        texts, vectors=vectors, labels=labels, reference=reference, probe=probe, seed=seed
    )
    tokens = tokenise(texts)
    return {
        "texts": len(texts),
        "words": len(tokens.ids),
        "characters": sum(map(len, texts)),
        "metrics": {
            name: {**METRICS[name].plain(), **measurement.plain()}
            for name, measurement in measurements.items()
        },
        "phrases": [list(phrase) for phrase in common_phrases(tokens)],
    }


class _Material:
    """Texts and what comes with them; an attribute for each of `NEEDS`, None where it is missing.

    Attributes:
        texts, reference, probe, seed: As they are given.
    """

    def __init__(
        self,
        texts: Sequence[str],
        vectors: ArrayLike | None,
        labels: Labels,
        reference: WordFrequencies | None,
        probe: Probe | None,
        seed: int,
    ) -> None:
        self.texts = texts
        self.reference = reference
        self.probe = probe
        self.seed = seed
        self._vectors = vectors
        self._labels = labels

    @cached_property
    def tokens(self) -> TokenTable:
        """Words split at blanks."""
        return tokenise(self.texts)

    @cached_property
    def words(self) -> TokenTable:
        """Words in lower case without punctuation."""
        return tokenise(self.texts, "words")

    @cached_property
    def vectors(self) -> Matrix | None:
        """Embeddings of length one, [texts, d]."""
        if self._vectors is None:
            return None
        rows = unit_rows(self._vectors)
        if len(rows) != len(self.texts):
            raise RequestError(
                f"{len(self.texts)} texts need as many vectors, there are {len(rows)}",
                code="not_one_a_text",
            )
        return rows

    @property
    def topics(self) -> Sequence[str]:
        """The topic of each text."""
        return self._one_a_text("topic", self._labels.topics)

    @property
    def personas(self) -> Sequence[str]:
        """The persona of each text."""
        return self._one_a_text("persona", self._labels.personas)

    def _one_a_text(self, label: str, labels: Sequence[str]) -> Sequence[str]:
        if labels and len(labels) != len(self.texts):
            raise RequestError(
                f"{len(self.texts)} texts need as many {label} labels, there are {len(labels)}",
                code="not_one_a_text",
            )
        return labels or [""] * len(self.texts)


def _measured(name: str, metric: Metric, material: _Material) -> Measurement:
    n = len(material.texts)
    inputs = []
    for need in metric.needs:
        value = getattr(material, need)
        if value is None:
            return undefined(NEEDS[need].missing, n)
        inputs.append(value)
    try:
        result = metric.made_by(*inputs)
        return result if isinstance(result, Measurement) else Measurement(float(result), n)
    except MetaSynthError:
        raise
    except Exception as error:
        if name in METRICS.builtin():
            raise  # a defect of ours
        raise RequestError(
            f"metric {name!r} failed: {type(error).__name__}: {error}",
            hint=f"see {METRICS.file_of(name)}" if METRICS.file_of(name) else None,
            code="part_failed",
        ) from error
