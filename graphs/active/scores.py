"""The stages that score: the pool before anything is asked for, and what was admitted of it.

Both are scored by the student that the round began with. Scores are written as they come and gone
on with after a kill.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.blocking import Check
from metasynth.config.student import ScoringConfig
from metasynth.graphs.scoring.resources import Resources
from metasynth.memory.journal import Journal

from .training import admitted_rows
from .workspace import ActiveWorkspace

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM
    from metasynth.student.rows import StudentRow
    from metasynth.student.scoring.measures import Scored

_TOGETHER = 64  # scores that are written at once: each time the disk is waited for


async def score_pool(workspace: ActiveWorkspace, check: Check) -> int:
    """Have the student score the pool, where seeds are chosen by scores; how many have a score.

    Raises:
        RequestError: The student cannot be loaded, or the criterion cannot be computed.
        BudgetEndedError: `check` or a call of a judge raised it; what is scored is kept.
    """
    if not workspace.goes_by_scores:
        return 0
    scored = await _scores(workspace, list(workspace.plan.pool.rows), check)
    workspace.rounds.scored = scored
    return sum(one.score is not None for one in scored)


async def score_children(workspace: ActiveWorkspace, check: Check) -> int:
    """Score what the round gave the corpus, as its seeds were; arguments and errors as above."""
    rounds = workspace.rounds
    children = await asyncio.to_thread(admitted_rows, workspace, rounds.number)
    if not (children and rounds.scored):
        return 0
    with rounds.progress.stage("scoring what was admitted"):
        rows = [*workspace.plan.pool.rows, *children]
        scored = await _scores(workspace, rows, check, children=True)
    return sum(one.score is not None for one in scored)


async def _scores(
    workspace: ActiveWorkspace, rows: "list[StudentRow]", check: Check, *, children: bool = False
) -> "list[Scored]":
    rounds = workspace.rounds
    return await resumed_scores(
        rounds.here.children if children else rounds.here.scores,
        await asyncio.to_thread(rounds.students.in_use),
        rows,
        workspace.plan.choice.scoring,
        seed=workspace.seed_for("scores", rounds.number),
        check=check,
        resources=workspace.resources,
        first=len(workspace.plan.pool.rows) if children else 0,
    )


async def resumed_scores(
    path: Path,
    lm: "LoadedLM",
    rows: "Sequence[StudentRow]",
    config: ScoringConfig,
    *,
    seed: int,
    check: Check,
    resources: Resources,
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

    load_reward = resources.reward
    journal = await asyncio.to_thread(Journal, path)
    try:
        known = await asyncio.to_thread(lambda: [Scored(**entry) for entry in journal.entries()])
        if first + len(known) >= len(rows):
            return known
        scores = score_rows(
            lm,
            rows,
            config,
            ask=resources.judge,
            checker=resources.checker,
            reward=await asyncio.to_thread(load_reward) if load_reward is not None else None,
            seed=seed,
            skip=first + len(known),
            on_batch=lambda _tokens: check(),
        )
        await _append(scores, known, journal)
        return known
    finally:
        await asyncio.to_thread(journal.close)


async def _append(
    scores: "AsyncGenerator[Scored, None]", known: "list[Scored]", journal: Journal
) -> None:
    """Add scores to those that are known and in the journal already."""
    written = len(known)
    try:
        async with aclosing(scores):
            async for scored in scores:
                known.append(scored)
                if len(known) - written == _TOGETHER:
                    await asyncio.to_thread(journal.extend, map(asdict, known[written:]))
                    written = len(known)
    finally:
        await asyncio.to_thread(journal.extend, map(asdict, known[written:]))
