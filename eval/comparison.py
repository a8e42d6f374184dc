"""Corpora beside each other: every metric on equal draws, with intervals.

An interval tells how far the mean of the draws may lie from what more draws of this size would give
(95 %, Student's t). It says nothing about other sizes or settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from metasynth.eval.metrics.mean_inverse_frequency import WordFrequencies, word_frequencies

from .draws import EqualDraws, equal_draws
from .measurement import Labels, Probe, measure, shown
from .metric import METRICS, Metric
from .phrases import common_phrases, peculiar_words, telling_words
from .text_corpus import TextCorpus
from .tokens import tokenise

Role = Literal["candidate", "template", "real"]
Interval = tuple[float, float]
Embed = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Cell:
    """A metric of a corpus over its draws.

    Attributes:
        mean: None where it is not defined for a draw; `reason` says why.
        interval: 95 %; None with one draw, or where every draw is the whole corpus.
        values: One a draw.
        first: Of the first draw, with settings and detail.
    """

    mean: float | None
    interval: Interval | None
    values: tuple[float, ...]
    first: Metric
    reason: str = ""


@dataclass(frozen=True)
class Measured:
    """A corpus in a comparison.

    Attributes:
        records: Texts that it has.
        cells: By metric.
        phrases: Runs of words that most texts of the first draw share, and how many do.
        about: Words that many of its texts and few of the others hold, and the share that does.
        peculiar: What makes up much of its words and little of the others'.
    """

    name: str
    role: Role
    records: int
    cells: dict[str, Cell]
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
    corpora: tuple[Measured, ...]
    warnings: tuple[str, ...] = ()
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Means:
    """What metrics are measured with.

    Attributes:
        embed: Texts to vectors; None: no metric of vectors.
        probe: Texts to the Task2Vec coefficient; None: none.
        reference: For the mean inverse frequency. None: the draws of all corpora together, to which
            each gives equally many words, so that none is favoured.
    """

    embed: Embed | None = None
    probe: Probe | None = None
    reference: WordFrequencies | None = None


def compare(
    corpora: Sequence[tuple[TextCorpus, Role]],
    means: Means | None = None,
    *,
    records: int | None = None,
    draws: int = 5,
    seed: int = 0,
    on_draw: Callable[[int, int, str], object] | None = None,
) -> Comparison:
    """Measure every corpus on draws of one size.

    Args:
        corpora: With their roles; names must differ.
        means: See `Means`.
        records: Texts of a draw; None: half of the smallest corpus, 200 at most.
        draws: Of each corpus.
        seed: Of the draws.
        on_draw: Called with the draws that are done, all of them, and whose one comes next.

    Raises:
        RequestError: A corpus has fewer texts than asked for, or vectors cannot be used.
    """
    means = means or Means()
    texts = [corpus for corpus, _ in corpora]
    equal = equal_draws(texts, records=records, draws=draws, seed=seed)
    found: list[list[dict[str, Metric]]] = [[] for _ in corpora]
    for number in range(draws):
        reference = means.reference or _reference(equal, number)
        for place, (corpus, _) in enumerate(corpora):
            if on_draw is not None:
                on_draw(number * len(corpora) + place, draws * len(corpora), corpus.name)
            found[place].append(_of_draw(corpus, equal, place, number, means, reference))
    measured = tuple(
        _measured(corpus, role, found[place], equal, place)
        for place, (corpus, role) in enumerate(corpora)
    )
    settings = {"seed": seed, "interval": "95 %, Student's t over draws"}
    return Comparison(equal.records, equal.words, draws, measured, equal.warnings, settings)


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
                "name": one.name,
                "role": one.role,
                "records": one.records,
                "phrases": [list(phrase) for phrase in one.phrases],
                "about": [list(word) for word in one.about],
                "peculiar": [list(word) for word in one.peculiar],
            }
            for one in corpora
        ],
        "metrics": {
            name: {**shown(name), "corpora": {one.name: _plain(one.cells[name]) for one in corpora}}
            for name in METRICS
        },
        "warnings": list(comparison.warnings),
    }


def interval_of_draws(values: Sequence[float], *, records: int, available: int) -> Interval | None:
    """95 % interval of the mean of draws of `records` texts out of `available`.

    Draws that overlap vary less than new ones would: their spread is widened by the share that they
    have in common (as for samples without replacement), and they count as fewer than they are.
    """
    draws = len(values)
    share = records / available
    if draws < 2 or share >= 1:
        return None
    from scipy.stats import t  # type: ignore[import-untyped]

    spread = float(np.std(values, ddof=1))
    disjoint = draws * share <= 1
    if not disjoint:
        spread /= (1 - share) ** 0.5
    effective = draws if disjoint else max(1.0, 1 / share)
    half = float(t.ppf(0.975, draws - 1)) * spread / effective**0.5
    mean = float(np.mean(values))
    return mean - half, mean + half


def _of_draw(
    corpus: TextCorpus,
    equal: EqualDraws,
    place: int,
    number: int,
    means: Means,
    reference: WordFrequencies,
) -> dict[str, Metric]:
    draw = equal.draws[place][number]
    documents = [corpus.documents[row] for row in draw.chosen]
    return measure(
        draw.texts,
        vectors=None if means.embed is None else means.embed(draw.texts),
        labels=Labels([one.topic for one in documents], [one.persona for one in documents]),
        reference=reference,
        probe=means.probe,
        seed=number,
    )


def _reference(equal: EqualDraws, number: int) -> WordFrequencies:
    """What words are rare by: all texts of a round.

    Not the real texts alone: by those the words of another field are rare, so that to miss the
    field would count as diversity.
    """
    together = (text for draws in equal.draws for text in draws[number].texts)
    return word_frequencies(together, "the draws of all corpora together")


def _measured(
    corpus: TextCorpus,
    role: Role,
    found: Sequence[dict[str, Metric]],
    equal: EqualDraws,
    place: int,
) -> Measured:
    available = len(corpus.documents)
    cells = {
        name: _cell([draw[name] for draw in found], equal.records, available) for name in METRICS
    }
    texts = equal.draws[place][0].texts
    others = [
        text for other, draws in enumerate(equal.draws) if other != place for text in draws[0].texts
    ]
    phrases = tuple(common_phrases(tokenise(texts)))
    return Measured(
        name=corpus.name,
        role=role,
        records=available,
        cells=cells,
        phrases=phrases,
        about=telling_words(texts, others),
        peculiar=peculiar_words(texts, others),
    )


def _cell(metrics: Sequence[Metric], records: int, available: int) -> Cell:
    values = tuple(metric.value for metric in metrics if metric.value is not None)
    first = metrics[0]
    if len(values) < len(metrics):
        reasons = [metric.reason for metric in metrics if metric.reason]
        return Cell(None, None, values, first, reasons[0])
    interval = interval_of_draws(values, records=records, available=available)
    return Cell(float(np.mean(values)), interval, values, first)


def _plain(cell: Cell) -> dict[str, object]:
    return {
        "mean": cell.mean,
        "interval": None if cell.interval is None else list(cell.interval),
        "values": list(cell.values),
        "reason": cell.reason,
        "settings": dict(cell.first.settings),
        "detail": dict(cell.first.detail),
    }
