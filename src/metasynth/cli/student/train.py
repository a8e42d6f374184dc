"""Carrying out `student train`, and the summary that it ends with."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.cli.screen.bars import Bar, clock
from metasynth.cli.screen.terminal import tell
from metasynth.config.student import StudentConfig
from metasynth.errors import RequestError
from metasynth.lm.weights import load_weights
from metasynth.student.rows import BadRow, RowFile, StudentRow
from metasynth.student.training.rows import told_reasons

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM
    from metasynth.student.training.fine_tuning import TrainingReport

_EVERY_ROWS = 256


def run_student_training(
    file: Path,
    out: Path,
    student: StudentConfig,
    *,
    earlier: Path | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train into the folder `out`, or go on with what is there, and print the summary.

    Args:
        earlier: A finished training that this one goes on from.

    Raises:
        RequestError: There is no such file (code `missing_file`), or `earlier` is `out` (code
            `one_folder`).
    """
    if not file.is_file():
        raise RequestError(f"no such file: {file}", code="missing_file")
    if earlier is not None and earlier.resolve() == out.resolve():
        raise RequestError(f"--from and --out are one folder: {out}", code="one_folder")
    with Bar("step", quiet=quiet) as bar:
        bar.update(0, 1, f"loading {student.model}")
        lm = _loaded(student, earlier)
        from metasynth.student.training.fine_tuning import fine_tune

        report = fine_tune(
            lm,
            _watched(file, bar),
            student,
            out,
            seed=seed,
            on_step=lambda done, total, loss: bar.update(done, total, f"loss {loss:.3f}"),
        )
    if as_json:
        tell(json.dumps({"out": str(out), **asdict(report)}, ensure_ascii=True))
    else:
        _print_report(student, out, report, is_first=earlier is None)


def _loaded(student: StudentConfig, earlier: Path | None) -> "LoadedLM":
    """The model to start from; the slow libraries come with it."""
    lm = load_weights(student)
    if earlier is None:
        return lm
    from metasynth.student.training.fine_tuning import load_trained

    return load_trained(lm, earlier, in_place=True)


def _watched(file: Path, bar: Bar) -> Iterator[StudentRow | BadRow]:
    """The rows of a file, with a look at the bar now and then."""
    for number, row in enumerate(RowFile(file)):
        if number % _EVERY_ROWS == 0:
            bar.update(0, 1, f"reading, {number:,} rows")
        yield row


def _print_report(
    student: StudentConfig, out: Path, report: "TrainingReport", *, is_first: bool
) -> None:
    bad = len(report.left_out)
    how = f"LoRA of rank {student.lora_rank}" if student.adapt == "lora" else "all weights"
    tell(f"{student.model}: {how}, trained on {report.rows:,} of {report.rows + bad:,} rows")
    tell(
        f"  steps     {report.steps:,} of up to {student.batch_size} rows, {report.tokens:,} "
        f"target tokens in all; {report.padding:.1%} of the positions were padding"
    )
    first, last = f"{report.first_loss:.3f}", f"{report.last_loss:.3f}"
    tell(f"  loss      {first} in the first step, {last} in the last (nats a target token)")
    if bad:
        tell(f"  left out  {bad:,}")
        for reason in told_reasons(report.left_out):
            tell(f"    {reason}")
    tell(f"  time      {clock(report.seconds)}")
    tell(f"  weights   {out}")
    tell(f"  curve     {out / 'steps.jsonl'}")
    if is_first:
        model = f" --model {student.model}" if student.model != "embedded" else ""
        tell(f"  next:     metasynth student score FILE{model} --trained {out}")
