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
from metasynth.student.rows import BadRow, StudentRow

from .checking import Checker
from .criterion import CRITERIA
from .judging import AskJudge
from .measures import Measure, Scored, ScoringTask
from .reward import RewardModel

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

    A row's score does not depend on the other rows (but for criteria that learn from them)
    nor on their order, up to rounding.

    Args:
        lm: The student; its weights must not change meanwhile.
        rows: What is scored, read as it is needed. A criterion that needs a training goes through
            them twice.
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

    def count(tokens: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        if on_batch is not None:
            on_batch(tokens)

    require(config, ask=ask, checker=checker, reward=reward)
    criterion = CRITERIA[config.criterion]
    task = ScoringTask(
        lm,
        Renderer(lm),
        config,
        criterion,
        seed,
        count,
        judge=ask,
        checker=checker,
        reward=reward,
    )
    if criterion.needs_pool and iter(rows) is rows:
        raise RequestError(
            f"{config.criterion} goes through the rows twice, and these can be read only once",
            hint="give a list, or a RowFile",
            code="rows_read_twice",
        )
    measure: Measure[Any] | None = None
    try:
        measure = await asyncio.to_thread(criterion.measure, task)
        if criterion.needs_pool:
            await asyncio.to_thread(measure.begin, rows)
        ahead = windows(
            islice(rows, skip, None), lambda row: _size(row, config), _window_size(config)
        )
        while (window := await asyncio.to_thread(next, ahead, None)) is not None:
            for scored in await _scored(measure, window):
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
        RequestError: It names what is missing (code `missing_helper`), or there is no such
            criterion (code `unknown_part`).
    """
    helpers = {"judge": ask, "checker": checker, "reward model": reward}
    for need in sorted(CRITERIA[config.criterion].needs):
        if need in helpers and helpers[need] is None:
            raise RequestError(
                f"criterion {config.criterion} needs a {need}", code="missing_helper"
            )


class _StoppedError(Exception):
    """The caller waits for the result no longer."""


def _window_size(config: ScoringConfig) -> int:
    return WINDOW_BATCHES * config.tokens_per_batch


def _size(row: StudentRow | BadRow, config: ScoringConfig) -> int:
    """A guess at the tokens of a row, its own answer with it."""
    if isinstance(row, BadRow):
        return 16
    characters = len(row.text or "") + sum(len(message.content) for message in row.messages)
    answer = config.max_new_tokens if "own answer" in CRITERIA[config.criterion].needs else 0
    return 16 + characters // _CHARACTERS_PER_TOKEN + answer


async def _scored(measure: Measure[Any], window: Sequence[StudentRow | BadRow]) -> list[Scored]:
    rows = [row for row in window if isinstance(row, StudentRow)]
    measured = await asyncio.to_thread(measure.scored, rows)
    scored = iter(await measure.finish(rows, measured))
    return [
        Scored("", row.line, None, row.reason) if isinstance(row, BadRow) else next(scored)
        for row in window
    ]
