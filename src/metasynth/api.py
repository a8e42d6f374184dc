"""What a notebook calls: thin functions over compose and the libraries; see docs/api.md.

`from metasynth import …` gives these and the classes they take, each imported when it is asked for.
"""

import asyncio
import threading
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from metasynth.compose.execution import Progress, execute, failure_of, run_graph
from metasynth.compose.parts import find_plugins
from metasynth.compose.plan import RunPlan, plan_run
from metasynth.compose.preview import Preview, preview_run
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.config.run import RunConfig
from metasynth.config.student import ScoringConfig, StudentConfig
from metasynth.errors import RequestError
from metasynth.graphs.run.review import Reviewer
from metasynth.records.record import Record, read_records
from metasynth.registry import FoundPart

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from metasynth.config.softsrv import SoftSRVConfig
    from metasynth.lm.load import LoadedLM
    from metasynth.softsrv.artifact import SteeringArtifact
    from metasynth.softsrv.sampling.samples import Sample
    from metasynth.softsrv.training.progress import TrainingProgress
    from metasynth.student.rows import BadRow, StudentRow
    from metasynth.student.scoring.measures import Scored

T = TypeVar("T")
RunFile = RunConfig | Path | str
"""A run's settings, or the file they are read from."""
Rows = Path | str | Iterable["StudentRow | BadRow | Record | Mapping[str, Any]"]
"""A JSONL file, or its rows: of a student, records, or data with `text`, `prompt` or `messages`."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        directory: The run directory.
        stopped_because: A sentence.
        complete: Whether it came to an end that was asked for; otherwise it stalled, could not
            work, or wrote nothing.
        accepted: Records in the corpus.
        rejected: Records that were given up.
    """

    directory: Path
    stopped_because: str
    complete: bool
    accepted: int
    rejected: int

    def records(self) -> Iterator[Record]:
        """The accepted records, in the order of their admission."""
        return read_records(self.directory / "corpus.jsonl")


def validate(config: RunFile) -> RunPlan:
    """Check a run file and all that it names, without starting anything.

    Raises:
        ConfigError: Something in it is wrong; names file and key.
    """
    return plan_run(_config(config))


def run(
    config: RunFile,
    out: Path | str | None = None,
    *,
    progress: Callable[[Progress], object] | None = None,
    review: Reviewer | None = None,
) -> RunResult:
    """Carry out a run, or go on with the one in its directory.

    It has a thread and a loop of its own, so that a notebook may call it. An interrupt ends what is
    in work and closes the directory; the same call goes on.

    Args:
        out: The run directory; `runs/NAME` by default.
        progress: Called in that thread at the start, twice a second, and at the end. What it
            raises ends the run.
        review: Decides about each draft where the run file says `review: true`; see
            `metasynth.graphs.tail.approval` for question and answer.

    Raises:
        RequestError: The directory cannot be used for this run, or nobody reviews (`no_reviewer`).
        MetaSynthError: The run failed.
    """
    return _in_own_loop(run_async(config, out, progress=progress, review=review))


async def run_async(
    config: RunFile,
    out: Path | str | None = None,
    *,
    progress: Callable[[Progress], object] | None = None,
    review: Reviewer | None = None,
) -> RunResult:
    """The same in the loop of the caller; cancelling it ends the run in good order."""
    plan = await asyncio.to_thread(validate, config)
    directory = Path(out) if out is not None else plan.config.default_directory
    if plan.config.review.ask and review is None:
        raise RequestError(
            "review.ask: a person is to be asked, and there is nobody",
            hint="give `review`, or change the run file by review.ask=false",
            code="no_reviewer",
        )
    async with open_run(plan, directory) as workspace:
        if review is not None:
            workspace = replace(workspace, reviewer=review)
        stopped_because = await execute(workspace, progress)
        return RunResult(
            directory=directory,
            stopped_because=stopped_because,
            complete=failure_of(workspace, stopped_because) is None,
            accepted=workspace.corpus.accepted,
            rejected=workspace.corpus.rejected,
        )


def preview(config: RunFile, records: int = 3) -> Preview:
    """Write a few records, keep no run directory, and forecast what the whole run will cost."""
    return _in_own_loop(preview_run(validate(config), records))


@asynccontextmanager
async def compiled_graph(
    config: RunFile, out: Path | str
) -> "AsyncIterator[CompiledStateGraph[Any, Any, Any, Any]]":
    """The run's graph, compiled over its directory, as a node of a LangGraph application.

    It takes `{"chains": n}`, how many records are written at once, and says `accepted`, `rejected`
    and `stopped_because`. The directory is open, and nobody else's, as long as the block lasts.
    """
    plan = await asyncio.to_thread(validate, config)
    async with open_run(plan, Path(out)) as workspace:
        yield run_graph(workspace)


def use_plugins(*directories: Path | str) -> list[FoundPart]:
    """Make the parts in directories and of installed packages known by their names.

    Raises:
        ConfigError: There is no such directory, a file is not Python, or a name is taken.
    """
    return find_plugins([Path(directory) for directory in directories])


def train_softsrv(
    settings: "SoftSRVConfig",
    out: Path | str,
    *,
    progress: "Callable[[TrainingProgress], None] | None" = None,
) -> "SteeringArtifact":
    """Train a soft prompt on `settings.target` into a folder, or go on with what is there.

    The artifact keeps its encoder open: `artifact.encoder.close()`.

    Raises:
        RequestError: The settings name no target, or it cannot be read.
    """
    from metasynth.graphs.softsrv.steering.training import train_into
    from metasynth.records.rundir import held
    from metasynth.softsrv.run_folder import SoftSRVFolder
    from metasynth.softsrv.target import read_target, split_target

    if settings.target is None:
        raise RequestError("target: there are no rows to train on", code="no_target")
    split = split_target(
        read_target(settings.target).rows, settings.training, seed=settings.random_seed
    )
    folder = SoftSRVFolder(Path(out))
    with held(folder.root):
        return train_into(folder, split, settings, progress=progress)


def sample_softsrv(
    folder: Path | str, count: int, *, near: str | None = None, changes: Sequence[str] = ()
) -> "list[Sample]":
    """Samples of a trained soft prompt, as they come.

    Args:
        folder: What `train_softsrv` wrote.
        near: Only from the 16 contexts nearest to this text.
        changes: `key.path=value` of the settings that it was trained with.
    """
    from metasynth.config.file import changed_softsrv_config
    from metasynth.graphs.softsrv.steering.backbone import load_backbone
    from metasynth.softsrv.artifact import load_artifact, read_artifact_config
    from metasynth.softsrv.run_folder import artifact_in
    from metasynth.softsrv.sampling.soft_sampler import SoftSampler

    place = artifact_in(Path(folder))
    trained_with = dict(read_artifact_config(place)["settings"])
    settings = changed_softsrv_config(trained_with, changes, where=str(place))
    backbone = load_backbone(settings.backbone)
    artifact = load_artifact(place, backbone=backbone)
    try:
        with SoftSampler(
            backbone, artifact, settings.sampling, seed=settings.random_seed
        ) as sampler:
            contexts = sampler.near(near, 16) if near else None
            return list(sampler.sample(count, contexts=contexts))
    finally:
        artifact.encoder.close()


def load_student(student: StudentConfig | str = "embedded") -> "LoadedLM":
    """The model that scores and is trained.

    Args:
        student: Its settings, or a model's name: `embedded`, `local:PATH_OR_HUB_ID`.

    Raises:
        RequestError: It cannot be loaded.
    """
    from metasynth.lm.weights import load_weights

    return load_weights(StudentConfig(model=student) if isinstance(student, str) else student)


def student_rows(rows: Rows) -> "list[StudentRow | BadRow]":
    """Rows as a student reads them; what is none bears the reason."""
    from metasynth.student.rows import BadRow, BadRowError, StudentRow, make_row
    from metasynth.student.rows import read_rows as read_file

    if isinstance(rows, Path | str):
        return list(read_file(Path(rows)))
    made: list[StudentRow | BadRow] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, StudentRow | BadRow):
            made.append(row)
            continue
        data = row.model_dump(exclude_none=True) if isinstance(row, Record) else dict(row)
        try:
            made.append(make_row(data, line=number))
        except BadRowError as error:
            made.append(BadRow(number, str(error)))
    return made


def score(
    student: "LoadedLM",
    rows: Rows,
    scoring: ScoringConfig | str = "loss_gold",
    *,
    seed: int = 0,
    **needs: Any,
) -> "list[Scored]":
    """The student's scores of rows, in their order; high means hard.

    Args:
        scoring: The criterion with its settings, or its name.
        needs: What some criteria need besides: `ask` (a judge), `checker`, `reward`, see
            `metasynth.student.scoring.scores.score_rows`.

    Raises:
        RequestError: What the criterion needs is missing.
    """
    from metasynth.student.scoring.scores import score_rows

    config = ScoringConfig.model_validate(
        {"criterion": scoring} if isinstance(scoring, str) else scoring
    )

    async def collect() -> "list[Scored]":
        scored = score_rows(student, student_rows(rows), config, seed=seed, **needs)
        return [row async for row in scored]

    return _in_own_loop(collect())


def _config(config: RunFile) -> RunConfig:
    return config if isinstance(config, RunConfig) else load_run_config(Path(config))


def _in_own_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end in a thread with a loop of its own; the caller's may be a notebook's.

    An interrupt of the caller cancels the work, and is raised when the work has ended.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()  # a join that is interrupted takes the thread for ended
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)

    def target() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                results.append(runner.run(_awaited(task)))
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=target, name="metasynth")
    thread.start()
    try:
        ended.wait()
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        ended.wait()
        raise
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


async def _awaited(task: "asyncio.Task[T]") -> T:
    return await task
