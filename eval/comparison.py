"""Corpora beside each other: every metric on equal draws, with intervals.

An interval tells how far the mean of the draws may lie from what more draws of this size would give
(95 %, Student's t). It says nothing about other sizes or settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .draws import EqualDraws, equal_draws
from .intervals import Bounds, interval_of_draws
from .measurement import Labels, measure
from .metric import METRICS, Measurement, Metric
from .phrases import common_phrases, peculiar_words, telling_words
from .probe import Probe
from .text_corpus import TextCorpus
from .tokens import tokenise
from .word_frequencies import WordFrequencies, word_frequencies

CorpusRole = Literal["candidate", "template", "real"]
Embed = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class MetricSummary:
    """A metric of a corpus over its draws.

    Attributes:
        mean: None where it is not defined for a draw; `reason` says why.
        interval: 95 %; None with one draw, or where every draw is the whole corpus.
        values: One a draw.
        first: Of the first draw, with settings and detail.
    """

    mean: float | None
    interval: Bounds | None
    values: tuple[float, ...]
    first: Measurement
    reason: str = ""


@dataclass(frozen=True)
class MeasuredCorpus:
    """A corpus in a comparison.

    Attributes:
        records: Texts that it has.
        metrics: By name.
        phrases: Runs of words that most texts of the first draw share, and how many do.
        about: Words that many of its texts and few of the others hold, and the share that does.
        peculiar: What makes up much of its words and little of the others'.
    """

    name: str
    role: CorpusRole
    records: int
    metrics: dict[str, MetricSummary]
    phrases: tuple[tuple[str, int], ...]
    about: tuple[tuple[str, float], ...]
    peculiar: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        records: Texts of a draw.
        words: Words of a draw.
        draws: Of each corpus.
        corpora: In the order given.
        warnings: What makes it doubtful, or void.
    """

    records: int
    words: int
    draws: int
    corpora: tuple[MeasuredCorpus, ...]
    warnings: tuple[str, ...] = ()
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, Metric]:
        """What was measured, by name, in the order of tables."""
        return {name: METRICS[name] for name in self.corpora[0].metrics}


@dataclass(frozen=True)
class MetricInputs:
    """What metrics are measured with.

    Attributes:
        embed: Texts to vectors; None: no metric of vectors.
        probe: A language model; None: no metric that asks one.
        reference: For the mean inverse frequency. None: the draws of all corpora together, to which
            each gives equally many words, so that none is favoured.
    """

    embed: Embed | None = None
    probe: Probe | None = None
    reference: WordFrequencies | None = None


def compare(
    corpora: Sequence[tuple[TextCorpus, CorpusRole]],
    inputs: MetricInputs | None = None,
    *,
    records: int | None = None,
    draws: int = 5,
    seed: int = 0,
    on_draw: Callable[[int, int, str], object] | None = None,
) -> Comparison:
    """Measure every corpus on draws of one size.

    Args:
        corpora: With their roles; names must differ.
        inputs: See `MetricInputs`.
        records: Texts of a draw; None: half of the smallest corpus, 200 at most.
        draws: Of each corpus.
        seed: Of the draws.
        on_draw: Called with the draws that are done, all of them, and whose one comes next.

    Raises:
        RequestError: A corpus has fewer texts than asked for, or vectors cannot be used.
    """
    inputs = inputs or MetricInputs()
    texts = [corpus for corpus, _ in corpora]
    equal = equal_draws(texts, records=records, draws=draws, seed=seed)
    measurements: list[list[dict[str, Measurement]]] = [[] for _ in corpora]
    for number in range(draws):
        reference = inputs.reference or _reference(equal, number)
        for place, (corpus, _) in enumerate(corpora):
            if on_draw is not None:
                on_draw(number * len(corpora) + place, draws * len(corpora), corpus.name)
            measurements[place].append(
                _measured_draw(corpus, equal, place, number, inputs, reference)
            )
    measured_corpora = tuple(
        _summarised(corpus, role, measurements[place], equal, place)
        for place, (corpus, role) in enumerate(corpora)
    )
    settings = {"seed": seed, "interval": "95 %, Student's t over draws"}
    return Comparison(equal.records, equal.words, draws, measured_corpora, equal.warnings, settings)


def plain_comparison(comparison: Comparison) -> dict[str, object]:
    """A comparison as data that JSON can hold."""
    corpora = comparison.corpora
    return {
        "size": {
            "records": comparison.records,
            "words": comparison.words,
            "draws": comparison.draws,
            **comparison.settings,
        },
        "corpora": [
            {
                "name": corpus.name,
                "role": corpus.role,
                "records": corpus.records,
                "phrases": [list(phrase) for phrase in corpus.phrases],
                "about": [list(word) for word in corpus.about],
                "peculiar": [list(word) for word in corpus.peculiar],
            }
            for corpus in corpora
        ],
        "metrics": {
            name: {
                **metric.plain(),
                "corpora": {corpus.name: _plain(corpus.metrics[name]) for corpus in corpora},
            }
            for name, metric in comparison.metrics.items()
        },
        "warnings": list(comparison.warnings),
    }


def _measured_draw(
    corpus: TextCorpus,
    equal: EqualDraws,
    place: int,
    number: int,
    inputs: MetricInputs,
    reference: WordFrequencies,
) -> dict[str, Measurement]:
    draw = equal.draws[place][number]
    documents = [corpus.documents[row] for row in draw.chosen]
    return measure(
        draw.texts,
        vectors=None if inputs.embed is None else inputs.embed(draw.texts),
        labels=Labels([text.topic for text in documents], [text.persona for text in documents]),
        reference=reference,
        probe=inputs.probe,
        seed=number,
    )


def _reference(equal: EqualDraws, number: int) -> WordFrequencies:
    """What words are rare by: all texts of a round.

    Not the real texts alone: by those the words of another field are rare, so that to miss the
    field would count as diversity.
    """
    together = (text for draws in equal.draws for text in draws[number].texts)
    return word_frequencies(together, "the draws of all corpora together")


def _summarised(
    corpus: TextCorpus,
    role: CorpusRole,
    measurements: Sequence[dict[str, Measurement]],
    equal: EqualDraws,
    place: int,
) -> MeasuredCorpus:
    available = len(corpus.documents)
    summaries = {
        name: _summary([draw[name] for draw in measurements], equal.records, available)
        for name in measurements[0]
    }
    texts = equal.draws[place][0].texts
    others = [
        text for other, draws in enumerate(equal.draws) if other != place for text in draws[0].texts
    ]
    return MeasuredCorpus(
        name=corpus.name,
        role=role,
        records=available,
        metrics=summaries,
        phrases=tuple(common_phrases(tokenise(texts))),
        about=telling_words(texts, others),
        peculiar=peculiar_words(texts, others),
    )


def _summary(measurements: Sequence[Measurement], records: int, available: int) -> MetricSummary:
    values = tuple(
        measurement.value for measurement in measurements if measurement.value is not None
    )
    first = measurements[0]
    if len(values) < len(measurements):
        reason = next(measurement.reason for measurement in measurements if measurement.reason)
        return MetricSummary(None, None, values, first, reason)
    interval = interval_of_draws(values, records=records, available=available)
    return MetricSummary(float(np.mean(values)), interval, values, first)


def _plain(summary: MetricSummary) -> dict[str, object]:
    return {
        "mean": summary.mean,
        "interval": None if summary.interval is None else list(summary.interval),
        "values": list(summary.values),
        "reason": summary.reason,
        "settings": dict(summary.first.settings),
        "detail": dict(summary.first.detail),
    }
