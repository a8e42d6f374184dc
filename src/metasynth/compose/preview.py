"""A trial of a run, and what the whole will take, from what the trial took."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasynth.config.active import ActiveConfig
from metasynth.config.run import RunConfig
from metasynth.config.softsrv import SoftSRVConfig
from metasynth.graphs.workspace import Workspace
from metasynth.memory.ledger import Totals
from metasynth.records.record import Record
from metasynth.records.rundir import RunDirectory
from metasynth.softsrv.manifest import read_manifest
from metasynth.softsrv.run_folder import SoftSRVFolder

from .execution import execute
from .plan import RunPlan
from .run import open_run

_STEPS = 20  # of a soft prompt that is trained for a trial
_STUDENT_STEPS = 2  # of a student that is trained for a trial
_ROWS = 6  # asked for in a trial, for each record
_SAMPLES = 10  # for each record: most are lost on the way where little was trained
_QUESTIONS = "template"  # the ledger's name for those who write questions


@dataclass(frozen=True)
class Forecast:
    """What the whole run will take.

    Attributes:
        wanted: How much is written, in words.
        minutes: Of model time, shared by chains that never wait.
        chains: How many these are.
        usd: None where the run file has no prices.
    """

    wanted: str
    calls: int
    tokens_in: int
    tokens_out: int
    minutes: float
    chains: int
    usd: float | None


@dataclass(frozen=True)
class Preview:
    """Some records of a run, and what the whole will take.

    Attributes:
        reasons: Why records were rejected, with counts.
        forecast: None where no record was accepted.
        stages: What SoftSRV's stages will take, a sentence each.
    """

    records: tuple[Record, ...]
    reasons: Mapping[str, int]
    forecast: Forecast | None
    stages: tuple[str, ...]


def trial_of(config: RunConfig, records: int) -> RunConfig:
    """The same run with so many records, and as little of SoftSRV as gives them."""
    small = config.budget.model_copy(update={"records": records})
    few = min(config.concurrency, records)
    unasked = config.review.model_copy(update={"ask": False})  # nothing of it is kept
    update: dict[str, Any] = {"budget": small, "concurrency": few, "review": unasked}
    if config.graph == "active" and config.active is not None:
        update["active"] = _short(config.active, records)
        update["student"] = config.student.model_copy(update={"steps": _STUDENT_STEPS})
    if config.softsrv is not None and config.graph != "template":
        update["softsrv"] = _trial_of(config.softsrv, records)
    return config.model_copy(update=update)


def _short(settings: ActiveConfig, records: int) -> ActiveConfig:
    """One small round, on a part of the pool and of the test rows."""
    assert settings.pool is not None
    few = _ROWS * records
    pool = settings.pool.model_copy(update={"limit": min(few, settings.pool.limit or few)})
    update: dict[str, Any] = {"pool": pool, "rounds": 1, "rows_per_round": few}
    if settings.test is not None:
        test = settings.test
        update["test"] = test.model_copy(update={"limit": min(few, test.limit or few)})
    return settings.model_copy(update=update)


def _trial_of(settings: SoftSRVConfig, records: int) -> SoftSRVConfig:
    training, sampling = settings.training, settings.sampling
    short = training.model_copy(
        update={"steps": min(training.steps, _STEPS), "search_steps": 3, "evaluate_every": _STEPS}
    )
    few = sampling.model_copy(update={"count": min(sampling.count, _SAMPLES * records)})
    kept = settings.postprocess.model_copy(update={"keep": None})
    return settings.model_copy(update={"training": short, "sampling": few, "postprocess": kept})


async def preview_run(plan: RunPlan, records: int) -> Preview:
    """Write `records` records into a directory that is removed again.

    Raises:
        MetaSynthError: As of a run.
    """
    with tempfile.TemporaryDirectory(prefix="metasynth-preview-") as folder:
        async with open_run(RunPlan(trial_of(plan.config, records)), Path(folder)) as workspace:
            await execute(workspace)
            return _preview(workspace, plan.config, Path(folder))


def _preview(workspace: Workspace, config: RunConfig, directory: Path) -> Preview:
    accepted = tuple(workspace.corpus.records())
    stages = read_manifest(SoftSRVFolder(RunDirectory(directory).softsrv).manifest)
    forecast = None
    if accepted:
        used = _scaled(workspace, config, len(accepted))
        rows = sum(config.active.plan) if config.graph == "active" and config.active else 0
        forecast = Forecast(
            wanted=f"{rows} rows asked for" if rows else f"{config.budget.records} records",
            calls=used.calls,
            tokens_in=used.tokens_in,
            tokens_out=used.tokens_out,
            minutes=used.seconds / config.concurrency / 60,
            chains=config.concurrency,
            usd=used.usd if config.prices else None,
        )
    return Preview(
        records=accepted,
        reasons=workspace.corpus.reasons(),
        forecast=forecast,
        stages=tuple(_stage_minutes(stages, config.softsrv)) if config.softsrv else (),
    )


def _scaled(workspace: Workspace, config: RunConfig, done: int) -> Totals:
    """Answers and documents grow with the records, a baseline's questions with the samples."""
    total = Totals()
    trial = workspace.config
    for agent, spent in workspace.ledger.totals_by_agent().items():
        factor = config.budget.records / done
        if config.graph == "active" and config.active is not None:
            judged = done + workspace.corpus.rejected  # rows are asked for, not records
            factor = sum(config.active.plan) / judged
        if agent == _QUESTIONS and config.graph == "softsrv":
            assert config.softsrv is not None and trial.softsrv is not None
            factor = config.softsrv.sampling.count / trial.softsrv.sampling.count
        total += Totals(
            calls=round(spent.calls * factor),
            tokens_in=round(spent.tokens_in * factor),
            tokens_out=round(spent.tokens_out * factor),
            seconds=spent.seconds * factor,
            usd=spent.usd * factor,
        )
    return total


def _stage_minutes(stages: Any, settings: SoftSRVConfig) -> Iterator[str]:
    training = stages.get("contexts", {}).get("training")
    if training and settings.artifact is None and training.get("steps"):
        minutes = training["seconds"] / training["steps"] * settings.training.steps / 60
        yield (
            f"training {minutes:,.1f} minutes for {settings.training.steps} steps; this trial had "
            f"{training['steps']}, so its questions are poor"
        )
    sampled = stages.get("samples")
    if sampled and sampled["timed"]:
        minutes = sampled["seconds"] / sampled["timed"] * settings.sampling.count / 60
        yield f"sampling {minutes:,.1f} minutes for {settings.sampling.count} samples"
