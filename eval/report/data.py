"""What a report shows, as plain data: whoever has it can write the page, whatever it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SideRole = Literal["run", "baseline", "seeds"]


class MetricValue(NamedTuple):
    """One corpus's value of one metric; None with the reason where it is not defined."""

    value: float | None
    interval: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True)
class MetricRow:
    """A metric of all corpora, by their labels.

    Attributes:
        closed: The share of the way from the baselines to the real texts that the run has gone.
        void: Why the values cannot be compared, though they are there.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    meaning: str
    values: Mapping[str, MetricValue]
    settings: Mapping[str, object] = field(default_factory=dict)
    closed: MetricValue | None = None
    void: str = ""


@dataclass(frozen=True)
class Cost:
    """What calls used. `usd` is None where no price is known, and `usd_reason` says why."""

    calls: int
    tokens_in: int
    tokens_out: int
    seconds: float
    busy_seconds: float | None = None
    usd: float | None = None
    usd_reason: str = ""

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True)
class Side:
    """One run, or the real texts that it started from."""

    label: str
    role: SideRole
    accepted: int
    rejected: int = 0
    words: int = 0
    cost: Cost | None = None


@dataclass(frozen=True)
class Count:
    """How many of what."""

    label: str
    count: int
    note: str = ""


@dataclass(frozen=True)
class CellCounts:
    """The cells of what the run started from, with the records in each.

    Attributes:
        unit: What cells are, such as "seeds".
        cells: Every cell, the empty ones with a count of 0; `note` is the number of seeds in it.
        how: How records were counted.
    """

    unit: str
    cells: tuple[Count, ...]
    how: str

    @property
    def empty(self) -> tuple[Count, ...]:
        """The cells without a record."""
        return tuple(cell for cell in self.cells if not cell.count)


class Point(NamedTuple):
    """A point of a curve, with an interval where one is known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """One line, or one kind of mark, of a chart; a quiet one stands behind the others."""

    label: str
    points: tuple[Point, ...]
    kind: Literal["line", "dots", "rings"] = "line"
    quiet: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart over steps, rounds or records."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    note: str = ""
    group: str = ""


class Fact(NamedTuple):
    """A label and what is to be said under it."""

    label: str
    value: str


@dataclass(frozen=True)
class Plane:
    """Points of records, seeds and baselines in two dimensions.

    Attributes:
        points: x, y, the role (a baseline's with its label: `baseline:LABEL`), and the place in
            `Report.records` (-1 where it is not there).
        texts: One beginning of a text for each point.
        explained: The share of the variance along each axis.
        reason: Why there is no map.
    """

    points: tuple[tuple[float, float, str, int], ...] = ()
    texts: tuple[str, ...] = ()
    explained: tuple[float, float] = (0.0, 0.0)
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """Everything on the page, already free of secrets.

    Attributes:
        records: What the page's list can show; `shown` of how many says `records_note`.
        comparison: How the metrics were made comparable.
        warnings: What makes that doubtful; those that begin with "void" make it void.
        rounds: What each round asked for, got, spent and gained, as rows of a table.
        limits: What a reader must know before they quote a number.
    """

    name: str
    subject: str
    graph: str
    kinds: Mapping[str, int]
    sides: tuple[Side, ...]
    metrics: tuple[MetricRow, ...]
    metrics_reason: str
    comparison: str
    warnings: tuple[str, ...]
    plane: Plane
    coverage: CellCounts | None
    labels: Mapping[str, tuple[Count, ...]]
    charts: tuple[Chart, ...]
    student: tuple[Fact, ...]
    rounds: tuple[Mapping[str, Any], ...]
    rejects: tuple[Count, ...]
    refusals: tuple[Count, ...]
    agents: Mapping[str, Cost]
    records: tuple[Mapping[str, Any], ...]
    records_note: str
    stages: tuple[Fact, ...]
    settings: tuple[Fact, ...]
    configuration: str
    versions: Mapping[str, str]
    limits: tuple[str, ...]
    created: tuple[str, str] = ("", "")

    @property
    def run(self) -> Side:
        """The run itself."""
        return next(corpus for corpus in self.sides if corpus.role == "run")

    @property
    def reference(self) -> Side | None:
        """What verdicts are against: the first baseline, or else the real texts."""
        measured = self.metrics[0].values if self.metrics else {}
        others = [side for side in self.sides if side.role != "run" and side.label in measured]
        return next((side for side in others if side.role == "baseline"), next(iter(others), None))

    @property
    def baselines(self) -> tuple[Side, ...]:
        """What it stands beside."""
        return tuple(corpus for corpus in self.sides if corpus.role == "baseline")
