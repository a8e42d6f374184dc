"""What a task is: how a row becomes a question, and how an answer to it is judged.

The package's tasks are read from `catalogue/tasks.yaml`; one of another form is a `TaskSpec` with
two small functions of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TaskRow = Mapping[str, Any]
TaskMetric = Literal["accuracy", "weighted_f1", "micro_f1", "grouped_weighted_f1", "entity_f1"]


class BadItemError(Exception):
    """A row that this task cannot ask; the reason is told, and the row is scored by nobody."""


@dataclass(frozen=True, slots=True)
class TaskItem:
    """A row as a question.

    Attributes:
        id: Its name, as the data set has it.
        question: What the model reads, up to where the answer begins.
        answer: What stands there in an example.
        choices: The possible answers, where they are given.
        gold: Which of them is right.
        target: What the judge compares an answer with; what it is, is the task's matter.
        group: Which part of the task it belongs to, where a metric is taken by part.
    """

    id: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    gold: int | None = None
    target: Any = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """What is said of an answer.

    Attributes:
        correct: None where nothing can be said; `reason` says why.
        found: What was read out of the answer; None: it holds none, which is wrong by rule.
        score: Between 0 and 1, where a task gives more than right and wrong.
    """

    correct: bool | None
    found: str | None
    reason: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class TaskSource:
    """Where rows of a task are found.

    Attributes:
        file: Below a folder of data sets, without `.jsonl` or `.jsonl.gz`.
        hub: The data set's name on a hub, its configuration, its split.
        where: Keep the rows alone in which this field has this value, where they have the field.
    """

    file: str
    hub: tuple[str, str | None, str] | None = None
    where: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task.

    Attributes:
        name: What it is called on the command line.
        title: What it is called in a report.
        read: A row to a question. Raises `BadItemError`.
        judge: What is said of an answer in words, and of one among `choices`.
        rule: What counts as right, and what becomes of an answer that cannot be read; for people.
        rows: What is asked.
        examples: Where examples come from; None: from the other rows.
        shots: Examples before a question, where nobody says otherwise.
        most_shots: 0 where rows bring their examples along.
        instruction: What a chat model is told beforehand; a base model learns it from examples.
        joint: What stands between question and answer.
        stop: Where the answer of a base model ends.
        max_new_tokens: Of an answer.
        metric: What the task is known by; accuracy is told beside it.
        runs_code: Whether judging runs what the model wrote.
        cuts_left: Whether a question that is too long loses its beginning.
    """

    name: str
    title: str
    read: Callable[[TaskRow], TaskItem]
    judge: Callable[[TaskItem, str], TaskVerdict]
    rule: str
    rows: TaskSource
    examples: TaskSource | None = None
    shots: int = 0
    most_shots: int = 64
    instruction: str = ""
    joint: str = " "
    stop: tuple[str, ...] = ("\n\n",)
    max_new_tokens: int = 64
    metric: TaskMetric = "accuracy"
    runs_code: bool = False
    cuts_left: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)


def text_of(row: TaskRow, *names: str) -> str:
    """The text of the first of these fields that the row has.

    Raises:
        BadItemError: It has none of them, or no text is in it.
    """
    value = value_of(row, *names)
    if not isinstance(value, str) or not value.strip():
        raise BadItemError(f"no text in field {' or '.join(names)}")
    return value


def value_of(row: TaskRow, *names: str) -> Any:
    """What stands in the first of these fields that the row has.

    Raises:
        BadItemError: It has none of them.
    """
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise BadItemError(f"no field {' or '.join(names)}")


def id_of(row: TaskRow, *names: str) -> str:
    """The row's name: the first of these fields, `id` among them; empty where there is none."""
    name = next((row[name] for name in (*names, "id") if row.get(name) is not None), "")
    return str(name)
