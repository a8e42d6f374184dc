"""The metrics of a run beside those of its baselines, for a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from metasynth.errors import MetaSynthError
from metasynth.eval import METRICS, Labels, Metric, MetricRow, Reading, measure
from metasynth.randomness import generator

from .reporting_vectors import TextVectors, spread

MOST = 1000  # texts of each corpus: more would take minutes, and say the same
_DRAWS = 5
_SHARE = 0.8


@dataclass(frozen=True)
class Texts:
    """What is measured of a corpus: its texts, and their labels where it has any."""

    texts: Sequence[str]
    topics: Sequence[str] = ()
    personas: Sequence[str] = ()


class Compared(NamedTuple):
    """A row a metric, why there are none, and how they were made comparable."""

    rows: tuple[MetricRow, ...]
    reason: str
    how: str


def compared(corpora: Mapping[str, Texts], vectors: TextVectors, *, seed: int) -> Compared:
    """Every metric of each corpus, over draws of as many texts from all of them."""
    sizes = {label: len(corpus.texts) for label, corpus in corpora.items()}
    smallest = min(sizes, key=lambda label: sizes[label])
    if sizes[smallest] < 2:
        return Compared((), f"{smallest} has fewer than two records to measure", "")
    size = max(2, int(_SHARE * min(MOST, sizes[smallest])))
    try:
        drawn = {
            label: _draws(corpus, size, vectors, label, seed) for label, corpus in corpora.items()
        }
    except MetaSynthError as error:
        return Compared((), error.message, "")
    rows = tuple(
        MetricRow(
            name=name,
            title=spec.title,
            better=spec.better,
            meaning=spec.meaning,
            cells={
                label: _reading([draw[name] for draw in draws]) for label, draws in drawn.items()
            },
            settings=next(iter(drawn.values()))[0][name].settings,
        )
        for name, spec in METRICS.items()
    )
    how = f"{_DRAWS} draws of {size:,} records from each; the interval spans the draws"
    return Compared(rows, "", how)


def _draws(
    corpus: Texts, size: int, vectors: TextVectors, label: str, seed: int
) -> list[dict[str, Metric]]:
    places = spread(range(len(corpus.texts)), MOST)
    texts = [corpus.texts[place] for place in places]
    rows = vectors.of(texts, what=label)
    found = []
    for number in range(_DRAWS):
        chosen = sorted(generator(seed, "report", number).sample(range(len(texts)), size))
        found.append(
            measure(
                [texts[row] for row in chosen],
                vectors=None if rows is None else rows[chosen],
                labels=Labels(
                    _taken(corpus.topics, places, chosen), _taken(corpus.personas, places, chosen)
                ),
                seed=seed,
            )
        )
    return found


def _taken(labels: Sequence[str], places: Sequence[int], chosen: Sequence[int]) -> list[str]:
    return [labels[places[row]] for row in chosen] if labels else []


def _reading(metrics: Sequence[Metric]) -> Reading:
    values: list[Any] = [metric.value for metric in metrics]
    if any(value is None for value in values):
        return Reading(None, None, next(metric.reason for metric in metrics if metric.reason))
    return Reading(sum(values) / len(values), (min(values), max(values)))
