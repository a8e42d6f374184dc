"""Carrying out `student train`, and the summary that it ends with."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from metasynth.cli.screen.bars import Bar, clock
from metasynth.cli.screen.options import checked_section
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


@dataclass(frozen=True)
class TrainRequest:
    """What the command line says.

    Attributes:
        earlier: A finished training that this one goes on from.
    """

    file: Path
    out: Path
    student: StudentConfig
    earlier: Path | None
    seed: int

    @classmethod
    def checked(cls, *, student: Mapping[str, Any], **others: Any) -> Self:
        """The request, if it can be carried out as far as one can tell without loading anything.

        Raises:
            RequestError: It names what is wrong or missing.
        """
        given = {name: value for name, value in student.items() if value is not None}
        made = cls(student=checked_section(StudentConfig, given), **others)
        if not made.file.is_file():
            raise RequestError(f"no such file: {made.file}")
        if made.earlier is not None and made.earlier.resolve() == made.out.resolve():
            raise RequestError(f"--from and --out are one folder: {made.out}")
        return made


def carry_out_student_training(request: TrainRequest, *, as_json: bool, quiet: bool) -> None:
    """Train into the folder, or go on with what is there, and print the summary."""
    with Bar("step", quiet=quiet) as bar:
        bar.update(0, 1, f"loading {request.student.model}")
        lm = _loaded(request)
        from metasynth.student.training.fine_tuning import fine_tune

        report = fine_tune(
            lm,
            _watched(request.file, bar),
            request.student,
            request.out,
            seed=request.seed,
            on_step=lambda done, total, loss: bar.update(done, total, f"loss {loss:.3f}"),
        )
    if as_json:
        tell(json.dumps({"out": str(request.out), **asdict(report)}, ensure_ascii=True))
    else:
        _print_report(request, report)


def _loaded(request: TrainRequest) -> "LoadedLM":
    """The model to start from; the slow libraries come with it."""
    lm = load_weights(request.student)
    if request.earlier is None:
        return lm
    from metasynth.student.training.fine_tuning import load_trained

    return load_trained(lm, request.earlier, in_place=True)


def _watched(file: Path, bar: Bar) -> Iterator[StudentRow | BadRow]:
    """The rows of a file, with a look at the bar now and then."""
    for number, row in enumerate(RowFile(file)):
        if number % _EVERY_ROWS == 0:
            bar.update(0, 1, f"reading, {number:,} rows")
        yield row


def _print_report(request: TrainRequest, report: "TrainingReport") -> None:
    student, bad = request.student, len(report.left_out)
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
    tell(f"  weights   {request.out}")
    tell(f"  curve     {request.out / 'steps.jsonl'}")
    if request.earlier is None:
        model = f" --model {student.model}" if student.model != "embedded" else ""
        tell(f"  next:     metasynth student score FILE{model} --trained {request.out}")
