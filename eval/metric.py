"""What a metric is, what it gives, and the decorator that adds one.

A metric is one file that is named like it: of `eval/metrics`, or of a directory of plug-ins.

    from metasynth.eval.metric import metric

    @metric("Yule's K", better="lower", needs="tokens")
    def yules_k(tokens):
        \"""10,000 times the chance that two words are the same.\"""
        ...

It gives a `Measurement`, or a number alone. A value that is not defined is None with a reason,
never 0, 1 or NaN: those would be read as results.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

from metasynth.errors import RequestError
from metasynth.registry import Registry

Better = Literal["higher", "lower"]
Family = Literal["words", "labels", "vectors", "model"]
Function = TypeVar("Function", bound=Callable[..., "Measurement | float"])

_LAST = 100  # place in tables of a metric that names none


@dataclass(frozen=True)
class Measurement:
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
            raise ValueError("a measurement has a value, or a reason why it has none")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a measurement's value is a number, not {self.value}")

    def plain(self) -> dict[str, object]:
        """As what JSON can hold."""
        return {
            "value": self.value,
            "reason": self.reason,
            "n": self.n,
            "settings": dict(self.settings),
            "detail": dict(self.detail),
        }


def undefined(reason: str, n: int, settings: Mapping[str, object] | None = None) -> Measurement:
    """A measurement of a metric that is not defined for these texts."""
    return Measurement(None, n, settings or {}, reason=reason)


class Need(NamedTuple):
    """Something that metrics are computed from.

    Attributes:
        family: What a metric that needs it belongs to.
        meaning: What the metric's function is given.
        missing: Why a metric is not defined where it is not there.
    """

    family: Family
    meaning: str
    missing: str = ""


NEEDS: Mapping[str, Need] = {
    "texts": Need("words", "the texts in their order, `Sequence[str]`"),
    "tokens": Need("words", "their words, split at blanks, as a `TokenTable`"),
    "words": Need("words", "their words in lower case without punctuation, as a `TokenTable`"),
    "seed": Need("words", "the seed of what is sampled, `int`"),
    "reference": Need(
        "words",
        "how often words occur in a reference corpus, `WordFrequencies`",
        "no reference corpus was given",
    ),
    "topics": Need("labels", "the topic of each text, blank where it has none, `Sequence[str]`"),
    "personas": Need("labels", "the persona of each text, likewise"),
    "vectors": Need(
        "vectors", "embeddings of length one, an array [texts, d]", "no vectors were given"
    ),
    "probe": Need(
        "model", "a language model and how much it is asked, `Probe`", "no probe network was given"
    ),
}
_FAMILIES: tuple[Family, ...] = ("words", "labels", "vectors", "model")


@dataclass(frozen=True)
class Metric:
    """A metric of the registry.

    Attributes:
        title: For tables.
        better: Which end is the more diverse one.
        needs: Names of `NEEDS`, in the order of the function's arguments.
        place: In tables; ties by name.
        made_by: The function that gives the measurement.
    """

    title: str
    better: Better
    needs: tuple[str, ...]
    place: int
    made_by: Callable[..., "Measurement | float"]

    @property
    def meaning(self) -> str:
        """One line: the first of the function's documentation."""
        return (inspect.getdoc(self.made_by) or "").partition("\n")[0].rstrip(".")

    @property
    def family(self) -> Family:
        """What it is computed from: the words, the labels, the vectors or a language model."""
        return max((NEEDS[need].family for need in self.needs), key=_FAMILIES.index)

    def plain(self) -> dict[str, object]:
        """How it is shown: title, better, meaning, family."""
        return {
            "title": self.title,
            "better": self.better,
            "meaning": self.meaning,
            "family": self.family,
        }


METRICS: Registry[Metric] = Registry("metric", "metasynth.eval.metrics")


def metric(
    title: str,
    *,
    better: Better,
    needs: str | Sequence[str] = "texts",
    place: int = _LAST,
    name: str | None = None,
) -> Callable[[Function], Function]:
    """Add the function below as a metric; it stays as it is.

    Args:
        title: For tables.
        better: Which end is the more diverse one.
        needs: What it is given, one or several of `NEEDS`, in the order of its arguments.
        place: In tables, the lowest first.
        name: Instead of the file's, for a metric that is made in a notebook.

    Raises:
        RequestError: `needs` names something else (code `unknown_need`).
    """
    wanted = (needs,) if isinstance(needs, str) else tuple(needs)
    for need in wanted:
        if need not in NEEDS:
            raise RequestError(
                f"metric {title!r}: nothing is called {need!r}; a metric can need "
                f"{', '.join(NEEDS)}",
                code="unknown_need",
            )

    def add(function: Function) -> Function:
        made = Metric(title, better, wanted, place, function)
        METRICS.add(made, module=str(function.__module__), name=name)
        return function

    return add


def all_metrics() -> dict[str, Metric]:
    """Every metric by its name, in the order of tables; imports them."""
    named: dict[str, Any] = {name: METRICS[name] for name in METRICS}
    return dict(sorted(named.items(), key=lambda item: (item[1].place, item[0])))
