"""Scores of rows, in the order of the rows, a window of them in memory at a time.

The student computes in a thread, so that an event loop which serves others goes on; judges are
asked on the loop itself. A row that has no score comes with the reason, to be counted and named by
whoever reads it, and is never mistaken for an easy one.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from metasynth.config.student import ScoringConfig
from metasynth.errors import RequestError
from metasynth.lm.batches import WINDOW_BATCHES, windows
from metasynth.lm.load import LoadedLM
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, BadRowError, StudentRow

from .answering import AnswersMeasure, OwnAnswerMeasure, RewardMeasure, WrongMeasure
from .checking import Checker
from .criteria import CRITERIA
from .judging import HARD_GAP, AskJudge, grade, lion_gap
from .measures import (
    Bench,
    GivenAnswerMeasure,
    IfdMeasure,
    LearnableMeasure,
    Measure,
    RandomMeasure,
    Scored,
    unscored,
)
from .reward import RewardModel

JUDGES_AT_ONCE = 8
_CHARACTERS_PER_TOKEN = 2  # fewer than there are, so that a window is not larger than one of tokens

Rows = Iterable[StudentRow | BadRow]


async def score_rows(
    lm: LoadedLM,
    rows: Rows,
    config: ScoringConfig,
    *,
    ask: AskJudge | None = None,
    checker: Checker | None = None,
    reward: RewardModel | None = None,
    seed: int = 0,
    skip: int = 0,
    on_batch: Callable[[int], object] | None = None,
) -> AsyncGenerator[Scored, None]:
    """Score rows by one criterion; what is no row passes through without a score.

    A row's score does not depend on the other rows (but for `learnable`, which learns from them)
    nor on their order, up to rounding.

    Args:
        lm: The student; its weights must not change meanwhile.
        rows: What is scored, read as it is needed. `learnable` goes through them twice.
        config: The criterion, and how answers are decoded.
        ask: The judge, for `judge` and `lion`.
        checker: For `wrong`.
        reward: For `reward`.
        seed: Of everything that is drawn.
        skip: How many of the first rows are known already; `learnable` learns from them as well.
        on_batch: Told after each forward pass how many tokens it read, in the thread that computes.

    Yields:
        A `Scored` for each row that was not skipped, in their order.

    Raises:
        RequestError: What the criterion needs is missing; `rows` can be read only once and twice is
            needed; the student cannot decode.
        MetaSynthError: The device has not enough memory; a judge cannot be reached.
    """
    stopped = threading.Event()

    def told(tokens: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        if on_batch is not None:
            on_batch(tokens)

    bench = Bench(lm, Renderer(lm), config, seed, told)
    require(config, ask=ask, checker=checker, reward=reward)
    measure: Measure[Any] | None = None
    try:
        measure = await asyncio.to_thread(_measure, bench, rows, checker, reward)
        ahead = windows(
            islice(rows, skip, None), lambda row: _size(row, config), _window_size(config)
        )
        while (window := await asyncio.to_thread(next, ahead, None)) is not None:
            for scored in await _scored(measure, window, ask):
                yield scored
    finally:
        stopped.set()  # where a caller gave up, its thread gives up at the next batch
        if measure is not None:
            measure.close()


def require(
    config: ScoringConfig,
    *,
    ask: AskJudge | None = None,
    checker: Checker | None = None,
    reward: RewardModel | None = None,
) -> None:
    """Refuse a criterion whose judge, checker or reward model is not there.

    Raises:
        RequestError: It names what is missing.
    """
    given = {"judge": ask, "checker": checker, "reward model": reward}
    for need in sorted(CRITERIA[config.criterion].needs):
        if need in given and given[need] is None:
            raise RequestError(f"criterion {config.criterion} needs a {need}")


class _StoppedError(Exception):
    """Nobody waits for the result any more."""


def _measure(
    bench: Bench, rows: Rows, checker: Checker | None, reward: RewardModel | None
) -> Measure[Any]:
    name = bench.config.criterion
    if name == "random":
        return RandomMeasure(bench)
    if name in ("loss_gold", "perplexity", "el2n"):
        return GivenAnswerMeasure(bench)
    if name == "ifd":
        return IfdMeasure(bench)
    if name == "learnable":
        if iter(rows) is rows:
            raise RequestError(
                "learnable goes through the rows twice, and these can be read only once",
                hint="give a list, or a RowFile",
            )
        return LearnableMeasure(bench, rows)
    if name == "wrong":
        assert checker is not None
        return WrongMeasure(bench, checker)
    if name == "reward":
        assert reward is not None
        return RewardMeasure(bench, reward)
    return AnswersMeasure(bench) if name in ("judge", "lion") else OwnAnswerMeasure(bench)


def _window_size(config: ScoringConfig) -> int:
    return WINDOW_BATCHES * config.tokens_per_batch


def _size(row: StudentRow | BadRow, config: ScoringConfig) -> int:
    """A guess at the tokens of a row, its own answer with it."""
    if isinstance(row, BadRow):
        return 16
    characters = len(row.text or "") + sum(len(message.content) for message in row.messages)
    answer = config.max_new_tokens if "own answer" in CRITERIA[config.criterion].needs else 0
    return 16 + characters // _CHARACTERS_PER_TOKEN + answer


async def _scored(
    measure: Measure[Any], window: Sequence[StudentRow | BadRow], ask: AskJudge | None
) -> list[Scored]:
    rows = [row for row in window if isinstance(row, StudentRow)]
    found = await asyncio.to_thread(measure.scored, rows)
    if ask is not None and measure.bench.config.criterion in ("judge", "lion"):
        found = await _judged(measure.bench, rows, found, ask)
    scored = iter(found)
    return [
        Scored("", row.line, None, row.reason) if isinstance(row, BadRow) else next(scored)
        for row in window
    ]


async def _judged(
    bench: Bench, rows: Sequence[StudentRow], answered: Sequence[Scored], ask: AskJudge
) -> list[Scored]:
    """Ask the judge about each answer, some at a time."""
    places = asyncio.Semaphore(JUDGES_AT_ONCE)

    async def judged(row: StudentRow, one: Scored) -> Scored:
        if one.answer is None:
            return one
        async with places:
            try:
                return await _judgement(bench, row, one, ask)
            except BadRowError as error:
                return unscored(row, error, one.detail, answer=one.answer)

    try:
        async with asyncio.TaskGroup() as group:
            pairs = zip(rows, answered, strict=True)
            tasks = [group.create_task(judged(row, one)) for row, one in pairs]
    except BaseExceptionGroup as failed:  # one is told; the others were cancelled
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def _judgement(bench: Bench, row: StudentRow, one: Scored, ask: AskJudge) -> Scored:
    answer = one.answer or ""
    if bench.config.criterion == "judge":
        return bench.scored(row, await grade(ask, row, answer), one.detail, answer=answer)
    found = await lion_gap(ask, row, answer)
    hard = float(found.gap >= HARD_GAP)
    gap = {"teacher": found.teacher, "student": found.student, "hard": hard}
    return bench.scored(row, found.gap, {**one.detail, **gap}, answer=answer)
