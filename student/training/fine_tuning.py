"""Fine-tuning a student on rows: LoRA or all weights, resumable, the same weights by the same seed.

The loss of a step is the mean negative log-likelihood of its target tokens, so that long answers
weigh more than short ones; a prompt's tokens are read and do not count (unless `loss_on` is all).
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metasynth.config.student import StudentConfig
from metasynth.errors import RequestError
from metasynth.lm.fingerprint import model_fingerprint
from metasynth.lm.load import LoadedLM
from metasynth.records.rundir import held
from metasynth.student.rows import BadRow, StudentRow

from .adaptation import load_adapted, save_adapted, trainable
from .device import kept_random_state
from .folder import TrainingFolder, read_finished
from .loop import AfterStep, TrainingLoop
from .rows import TrainingRows, encode_rows, padding_share, plan_steps, settings_told

_ONE_AT_A_TIME = threading.Lock()  # Trainer keeps its devices in variables of the process


@dataclass(frozen=True)
class TrainingReport:
    """What a training has come to.

    Attributes:
        rows: That it was on.
        tokens: Targets that counted, over all steps.
        steps: Optimiser steps.
        first_loss: Of the first step's batch, before the step, in nats a target.
        last_loss: Of the last step's batch.
        seconds: Spent on the steps, over all starts.
        left_out: Rows that could not be used, with line and reason.
        padding: Its share of all positions that went through the model.
    """

    rows: int
    tokens: int
    steps: int
    first_loss: float
    last_loss: float
    seconds: float
    left_out: tuple[BadRow, ...]
    padding: float


def fine_tune(
    lm: LoadedLM,
    rows: Iterable[StudentRow | BadRow],
    config: StudentConfig,
    out: Path,
    *,
    seed: int,
    check: Callable[[], None] | None = None,
    on_step: AfterStep | None = None,
) -> TrainingReport:
    """Train from the weights of `lm`, and write what was trained into `out`.

    Afterwards `lm` is as it was: with LoRA the adapter stands in it during the training, so that no
    second copy of the weights is needed, and is taken out at the end, whatever happens; full
    fine-tuning works on a copy. Nobody else may use `lm` meanwhile.

    A folder whose training has ended is left as it is and its report returned; one whose training
    was stopped is gone on with, and ends with the same weights (on the same machine, with as many
    threads; a GPU may add in another order).

    Args:
        lm: The student to start from: the base, or what `load_trained` gave.
        rows: Read once, and held as tokens.
        config: All settings but the model's own name and place.
        out: Afterwards an adapter as peft reads it, or a model folder; `training.json`,
            `steps.jsonl`.
        seed: Of the order of rows, of the adapter's first weights and of dropout.
        check: Called after each step; it may raise, and a checkpoint is left.
        on_step: Called after each step with the steps taken, all steps and the loss, likewise.

    Raises:
        RequestError: No row can be used, or `out` holds another training.
        MetaSynthError: The loss left the numbers, memory or disk is full.
    """
    with held(out):
        data = encode_rows(lm, rows, config)
        folder = TrainingFolder(out, _identity(lm, data, config, seed=seed))
        if (told := folder.finished()) is not None:
            return _report_of(told)

        def after_step(done: int, total: int, loss: float) -> None:
            if on_step is not None:
                on_step(done, total, loss)
            if check is not None:
                check()

        plan = data.rows, plan_steps(data.rows, config, seed=seed)
        with (
            _ONE_AT_A_TIME,
            kept_random_state(lm.device),
            trainable(lm, config, seed=seed) as model,
        ):
            loop = TrainingLoop(lm, model, plan, folder, config, seed=seed, after_step=after_step)
            loop.run()
            report = _made_report(data, loop, padding_share(*plan))
            folder.finish(lambda path: save_adapted(lm, model, path), asdict(report))
        return report


def load_trained(base: LoadedLM, folder: Path, *, in_place: bool = False) -> LoadedLM:
    """The student with what `folder` holds: an adapter is merged into a copy of the weights.

    Where a training went on from another's result, `base` is that result, loaded like this.

    Args:
        base: What the training started from.
        folder: What `fine_tune` wrote.
        in_place: Merge an adapter into the weights of `base` themselves, which saves the copy.

    Raises:
        RequestError: The training has not ended, a file of it is damaged, or it started from other
            weights.
    """
    told = read_finished(folder)["identity"]
    if told["base"] != (found := model_fingerprint(base.model)):
        raise RequestError(
            f"{folder}: was trained from other weights ({told['base']}) than those of "
            f"{base.name!r} ({found})",
            hint="give the model that it was trained from",
            code="other_weights",
        )
    return load_adapted(base, folder, in_place=in_place)


def _identity(
    lm: LoadedLM, data: TrainingRows, config: StudentConfig, *, seed: int
) -> dict[str, Any]:
    return {
        "base": model_fingerprint(lm.model),
        "dtype": str(lm.model.dtype).removeprefix("torch."),
        "seed": seed,
        **settings_told(config),
        "rows": len(data.rows),
        "data": data.sha256,
    }


def _made_report(data: TrainingRows, loop: TrainingLoop, padding: float) -> TrainingReport:
    steps = loop.folder.steps()
    return TrainingReport(
        rows=len(data.rows),
        tokens=sum(step["targets"] for step in steps),
        steps=len(steps),
        first_loss=steps[0]["loss"],
        last_loss=steps[-1]["loss"],
        seconds=round(loop.seconds, 3),
        left_out=data.left_out,
        padding=round(padding, 6),
    )


def _report_of(told: dict[str, Any]) -> TrainingReport:
    left_out = tuple(BadRow(**bad) for bad in told["left_out"])
    return TrainingReport(**{**told, "left_out": left_out})
