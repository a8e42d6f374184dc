"""What a task's evaluation found, as plain data."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .accuracy import Estimate


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One row's outcome.

    Attributes:
        row: Its number among the rows given, from 1.
        id: Its name, as the data set has it.
        correct: None: it could not be scored; `reason` says why.
        found: What was read out of the answer, or the option chosen; None: there was no answer,
            which is wrong by the task's rule.
        expected: The right answer.
        reason: Why it has no score, or what is wrong with the answer.
        answer: What the model said, where it was asked to say something.
        score: Between 0 and 1, where the task gives more than right and wrong.
        shots: Examples that stood before the question.
        cut: The answer was cut at its limit, or the question lost its beginning.
        correct_by: By each way of comparing likelihoods whether the choice is right.
        likelihoods: Of each choice, where they were compared: the sum in nats, and its tokens.
        group: The part of the task it belongs to.
    """

    row: int
    id: str
    correct: bool | None
    found: str | None
    expected: str
    reason: str = ""
    answer: str | None = None
    score: float | None = None
    shots: int = 0
    cut: bool = False
    correct_by: Mapping[str, bool] = field(default_factory=dict)
    likelihoods: tuple[tuple[float, int], ...] = ()
    group: str = ""


@dataclass(frozen=True)
class TaskResult:
    """A model on a task.

    Attributes:
        task: The task's name.
        title: What a report calls it.
        model: The model's name.
        metric: Which of `estimates` the task is known by.
        estimates: `accuracy` and others by name, over the rows that were scored.
        rule: What counts as right.
        settings: Everything that the numbers depend on besides model and rows.
        items: Every row.
    """

    task: str
    title: str
    model: str
    metric: str
    estimates: Mapping[str, Estimate]
    rule: str
    settings: Mapping[str, object]
    items: tuple[ItemResult, ...]

    @property
    def main(self) -> Estimate:
        """The estimate that the task is known by."""
        return self.estimates[self.metric]

    @property
    def rows(self) -> int:
        """How many rows were asked."""
        return len(self.items)

    @property
    def scored(self) -> int:
        """How many got a verdict."""
        return sum(item.correct is not None for item in self.items)

    @property
    def correct(self) -> int:
        """How many are right."""
        return sum(item.correct is True for item in self.items)

    @property
    def unanswered(self) -> int:
        """How many of the scored hold no answer."""
        return sum(item.correct is not None and item.found is None for item in self.items)

    @property
    def unscored(self) -> dict[str, int]:
        """How many have no verdict, by reason, the most frequent first."""
        return dict(
            Counter(item.reason for item in self.items if item.correct is None).most_common()
        )

    @property
    def fewer_shots(self) -> int:
        """How many had fewer examples than were asked for."""
        asked = self.settings.get("shots", 0)
        assert isinstance(asked, int)
        return sum(item.correct is not None and item.shots < asked for item in self.items)

    @property
    def cut(self) -> int:
        """How many answers or questions were cut."""
        return sum(item.cut for item in self.items)

    def as_json(self, *, items: bool = False) -> dict[str, Any]:
        """What JSON can hold; with every row where `items` is set."""
        plain: dict[str, Any] = {
            "task": self.task,
            "title": self.title,
            "model": self.model,
            "metric": self.metric,
            "estimates": {name: asdict(each) for name, each in self.estimates.items()},
            "rows": self.rows,
            "scored": self.scored,
            "correct": self.correct,
            "unanswered": self.unanswered,
            "unscored": self.unscored,
            "fewer_shots": self.fewer_shots,
            "cut": self.cut,
            "rule": self.rule,
            "settings": dict(self.settings),
        }
        if items:
            plain["items"] = [asdict(each) for each in self.items]
        return plain
