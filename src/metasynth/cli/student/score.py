"""Carrying out `student score`: a file's rows to scores in its order, a window at a time.

With --out the scores go to a hidden file beside it that bears the settings in its name, and that
takes its place when it is complete; until then the same command goes on with it.
"""

import asyncio
import contextlib
import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasynth.cli.screen.bars import Bar
from metasynth.config.model import ModelConfig
from metasynth.config.student import ScoringConfig, StudentConfig
from metasynth.domains.checkers import checker_file, load_checkers
from metasynth.errors import MetaSynthError, RequestError, RunInterruptedError
from metasynth.graphs.scoring.judge import judge_by
from metasynth.lm.weights import load_weights, weights_source
from metasynth.student.rows import RowFile
from metasynth.student.scoring.checking import make_checker
from metasynth.student.scoring.criterion import CRITERIA

from .sink import ScoreSink, opened_sink
from .summary import ScoreSummary

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM
    from metasynth.student.scoring.reward import RewardModel

_EVERY_S = 0.2


@dataclass(frozen=True)
class FileScoring:
    """The scores of a file's rows.

    Attributes:
        file: The rows.
        out: Where scores go; stdout where it is None.
        trained: A finished training of the student, whose result is scored with.

    Raises:
        RequestError: What the criterion needs is missing (code `missing_option`), or the file
            (code `missing_file`).
    """

    file: Path
    out: Path | None
    scoring: ScoringConfig
    student: StudentConfig
    judge: ModelConfig | None
    reward: str | None
    checker: str | None
    seed: int
    trained: Path | None = None

    def __post_init__(self) -> None:
        given = {"judge": self.judge, "checker": self.checker, "reward model": self.reward}
        for need in sorted(CRITERIA[self.scoring.criterion].needs):
            if need in given and given[need] is None:
                option = "--reward" if need == "reward model" else f"--{need}"
                raise RequestError(
                    f"criterion {self.scoring.criterion} needs {option}", code="missing_option"
                )
        if not self.file.is_file():
            raise RequestError(f"no such file: {self.file}", code="missing_file")

    def run(self, *, quiet: bool) -> None:
        """Score what is not scored yet, and print the summary."""
        load_checkers([self.checker])
        checker = make_checker(self.checker) if self.checker else None
        ask = judge_by(self.judge) if self.judge else None
        total = _count_lines(self.file)
        summary = ScoreSummary(self.scoring, self.student.model)
        with (
            opened_sink(self.out, summary, partial=lambda: self.partial) as sink,
            Bar("line", quiet=quiet) as bar,
        ):
            bar.update(sink.line, total, f"loading {self.student.model}")
            work = _Work(self, sink, summary)
            try:
                asyncio.run(work.run(bar, total, ask=ask, checker=checker))
            except RunInterruptedError as error:
                if self.out is None:
                    hint = "with --out FILE the same command can go on where it stopped"
                    raise RunInterruptedError(error.message, hint=hint) from None
                raise
        if not summary.rows:
            raise RequestError(f"{self.file}: holds no rows", code="no_rows")
        summary.tell(self.out)
        if not summary.scored:
            raise MetaSynthError(
                f"{self.file}: no row could be scored", hint=summary.main_reason, code="no_scores"
            )

    @property
    def partial(self) -> Path:
        """Where scores are collected: its name says which file, model and settings they are of."""
        assert self.out is not None
        settings = {
            "file": _stamp(self.file),
            "student": {**self.student.model_dump(mode="json"), "weights": self._weights()},
            "scoring": self.scoring.model_dump(mode="json"),
            "judge": self.judge.model_dump(mode="json") if self.judge else None,
            "others": [self.reward, self._checker(), self.seed],
        }
        identity = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
        return self.out.with_name(f".{self.out.name}.{identity}.partial")

    def _checker(self) -> str | list[Any] | None:
        file = checker_file(self.checker)
        return self.checker if file is None else [self.checker, _stamp(file)]

    def _weights(self) -> list[Any]:
        base = Path(weights_source(self.student.model))
        folders = [base, self.trained] if self.trained else [base]
        files = (path for folder in folders for path in sorted(folder.glob("*")))
        return [_stamp(path) for path in files if path.is_file()]


class _Work:
    """The scoring itself, beside a bar that looks at it now and then."""

    def __init__(self, job: FileScoring, sink: ScoreSink, summary: ScoreSummary) -> None:
        self._job = job
        self._sink = sink
        self._summary = summary
        self._tokens = 0

    async def run(self, bar: Bar, total: int, **needs: Any) -> None:
        """Score all rows; an interruption ends it at the next batch."""
        work = asyncio.ensure_future(self._score(**needs))
        try:
            while not (await asyncio.wait({work}, timeout=_EVERY_S))[0]:
                self._sink.flush()
                told = f"{self._summary.scored} scored, {self._tokens:,} tokens read"
                bar.update(self._sink.line, total, told)
        except RunInterruptedError:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            raise
        await work

    async def _score(self, **needs: Any) -> None:
        job = self._job
        lm, reward = await asyncio.to_thread(self._load)
        from metasynth.student.scoring.scores import score_rows

        found = score_rows(
            lm,
            RowFile(job.file),
            job.scoring,
            seed=job.seed,
            skip=self._summary.rows,
            on_batch=self._count,
            reward=reward,
            **needs,
        )
        async with contextlib.aclosing(found):
            async for scored in found:
                self._sink.write(scored)
        self._sink.flush()

    def _load(self) -> "tuple[LoadedLM, RewardModel | None]":
        """The models; the slow libraries come with them."""
        job = self._job
        lm = load_weights(job.student)
        from metasynth.student.scoring.reward import RewardModel
        from metasynth.student.training.fine_tuning import load_trained

        if job.trained is not None:
            lm = load_trained(lm, job.trained, in_place=True)
        if job.reward is None:
            return lm, None
        return lm, RewardModel.load(job.reward, device=job.student.device)

    def _count(self, tokens: int) -> None:
        self._tokens += tokens


def _count_lines(path: Path) -> int:
    """How many lines there are, roughly: for the bar alone."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b"")) or 1
    except (OSError, EOFError):
        return 1  # reading it will tell


def _stamp(path: Path) -> list[Any]:
    """What changes when a file is written anew."""
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]
