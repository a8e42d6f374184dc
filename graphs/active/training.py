"""The stage that fine-tunes the student: on which rows, and for how many steps in every arm."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from metasynth.blocking import Check, in_thread
from metasynth.config.active import ActiveConfig
from metasynth.config.student import StudentConfig
from metasynth.graphs.scoring.scorer import row_of
from metasynth.records.record import Record
from metasynth.student.rounds_folder import place_of

from .pool import as_conversation
from .workspace import ActiveWorkspace

if TYPE_CHECKING:
    from metasynth.student.rows import StudentRow


async def train_student(workspace: ActiveWorkspace, check: Check) -> int:
    """Train the student on what this round, or all so far, gave the corpus; on how many rows.

    Raises:
        BudgetEndedError: `check` raised it; the training goes on from its last checkpoint.
    """
    with workspace.rounds.progress.stage("fine-tuning"):
        return await in_thread(lambda checked: _train(workspace, checked), check)


def _train(workspace: ActiveWorkspace, check: Check) -> int:
    from metasynth.student.training.fine_tuning import fine_tune

    plan, rounds, number = workspace.plan, workspace.rounds, workspace.rounds.number
    trained = trained_rounds(plan.student, number)
    rows = [row for earlier in trained for row in admitted_rows(workspace, earlier)]
    if not rows:
        return 0

    def on_step(done: int, total: int, loss: float) -> None:
        rounds.progress.text = f"fine-tuning, step {done} of {total}, loss {loss:.3f}"

    report = fine_tune(
        rounds.students.start_of(number),
        rows,
        training_of(plan.student, plan.settings, number),
        rounds.here.trained,
        seed=workspace.seed_for("training"),
        check=check,
        on_step=on_step,
    )
    return report.rows


def admitted_rows(workspace: ActiveWorkspace, number: int) -> "list[StudentRow]":
    """What a round gave the corpus, in an order that does not depend on the chains; reads files.

    A conductor's gate knows nothing of the test rows: copies of them are left out here.
    """
    plan = workspace.plan
    records = records_of(number, workspace.corpus.records())
    if plan.conducts and plan.contamination is not None:
        records = [record for record in records if plan.contamination.hits(record.body) is None]
    mark = plan.settings.teacher.solution_mark
    ordered = sorted(records, key=lambda record: record.id)
    return [as_conversation(row_of(record), mark) for record in ordered]


def records_of(number: int, records: Iterable[Record]) -> list[Record]:
    """Those that a round asked for."""
    places = ((place_of(record.id), record) for record in records)
    return [record for place, record in places if place is not None and place[0] == number]


def trained_rounds(config: StudentConfig, number: int) -> range:
    """The rounds whose rows the student of round `number` is trained on."""
    first = 1 if config.data == "cumulative" else number - config.last_rounds + 1
    return range(max(1, first), number + 1)


def training_of(config: StudentConfig, settings: ActiveConfig, number: int) -> StudentConfig:
    """The settings of round `number`'s training, with its steps.

    Steps follow the rows that were asked for, not those that were admitted, so that arms whose
    teacher fails more often do not learn for a shorter time. The one round of the arm static takes
    as many steps as the last student of the other arms has behind it.
    """
    last = settings.rounds
    if settings.arm != "static":
        steps = _steps(config, settings, number)
    elif config.start == "base":
        steps = _steps(config, settings, last)
    else:
        steps = sum(_steps(config, settings, earlier) for earlier in range(1, last + 1))
    return config.model_copy(update={"steps": steps})


def _steps(config: StudentConfig, settings: ActiveConfig, number: int) -> int:
    """Of a training after round `number` in an arm with rounds."""
    if config.steps is not None:
        return config.steps
    rows = settings.rows_per_round * len(trained_rounds(config, number))
    return max(1, math.ceil(config.epochs * rows / config.batch_size))
