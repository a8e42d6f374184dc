"""Scores of a round, written as they come and gone on with after a kill."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from metasynth.blocking import Check
from metasynth.config.student import ScoringConfig
from metasynth.memory.journal import Journal

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM
    from metasynth.student.rows import StudentRow
    from metasynth.student.scoring.checking import Checker
    from metasynth.student.scoring.judging import AskJudge
    from metasynth.student.scoring.measures import Scored
    from metasynth.student.scoring.reward import RewardModel

_TOGETHER = 64  # scores that are written at once: each time the disk is waited for


class Helpers(NamedTuple):
    """Whom a criterion may ask besides the student."""

    ask: "AskJudge | None" = None
    checker: "Checker | None" = None
    reward: "Callable[[], RewardModel] | None" = None


async def kept_scores(
    path: Path,
    lm: "LoadedLM",
    rows: "Sequence[StudentRow]",
    config: ScoringConfig,
    *,
    seed: int,
    check: Check,
    helpers: Helpers,
    first: int = 0,
) -> "list[Scored]":
    """The scores of `rows` from number `first` on, in their order.

    Those that the file holds are taken from it, the others are added to it, some at a time.

    Args:
        first: Rows before it are not scored; `learnable` learns from them all the same.

    Raises:
        RequestError: The criterion cannot be computed.
        BudgetEndedError: The budget ended; what is scored is kept.
    """
    from metasynth.student.scoring.measures import Scored
    from metasynth.student.scoring.scores import score_rows

    journal = await asyncio.to_thread(Journal, path)
    try:
        found = await asyncio.to_thread(lambda: [Scored(**told) for told in journal.entries()])
        if first + len(found) >= len(rows):
            return found
        scores = score_rows(
            lm,
            rows,
            config,
            ask=helpers.ask,
            checker=helpers.checker,
            reward=await asyncio.to_thread(helpers.reward) if helpers.reward else None,
            seed=seed,
            skip=first + len(found),
            on_batch=lambda _tokens: check(),
        )
        await _keep(scores, found, journal)
        return found
    finally:
        await asyncio.to_thread(journal.close)


async def _keep(
    scores: "AsyncGenerator[Scored, None]", found: "list[Scored]", journal: Journal
) -> None:
    """Add scores to those that are found and kept already."""
    kept = len(found)
    try:
        async with aclosing(scores):
            async for scored in scores:
                found.append(scored)
                if len(found) - kept == _TOGETHER:
                    await asyncio.to_thread(journal.extend, map(asdict, found[kept:]))
                    kept = len(found)
    finally:
        await asyncio.to_thread(journal.extend, map(asdict, found[kept:]))
