"""`run` and `preview` with what a person sees of them."""

import asyncio
from dataclasses import replace
from pathlib import Path

from metasynth.cli.screen.bars import interrupts
from metasynth.cli.screen.forecast import print_forecast
from metasynth.cli.screen.progress import ProgressDisplay
from metasynth.cli.screen.summary import print_summary
from metasynth.cli.screen.terminal import tell
from metasynth.compose.execution import execute, failure_of
from metasynth.compose.plan import RunPlan
from metasynth.compose.preview import preview_run
from metasynth.compose.run import open_run
from metasynth.errors import RunInterruptedError
from metasynth.graphs.workspace import Workspace

from .reviewer import TerminalReviewer


def run_plan(plan: RunPlan, directory: Path, *, quiet: bool) -> int:
    """Run to the end of the budget and print the summary; the exit status."""
    try:
        return asyncio.run(_run(plan, directory, quiet=quiet))
    except KeyboardInterrupt:  # while it was opened or closed
        raise _interrupted() from None


def _interrupted() -> RunInterruptedError:
    return RunInterruptedError(
        "interrupted", hint="the same command goes on where this one stopped"
    )


async def _run(plan: RunPlan, directory: Path, *, quiet: bool) -> int:
    async with open_run(plan, directory) as workspace:
        if plan.config.review.ask:
            reviewer, quiet = TerminalReviewer(workspace), True  # one voice at a time
            workspace = replace(workspace, reviewer=reviewer)
        stopped_because = await _watched(workspace, quiet=quiet)
        print_summary(workspace, directory, stopped_because)
        if failure := failure_of(workspace, stopped_because):
            raise failure
        return 0


async def _watched(workspace: Workspace, *, quiet: bool) -> str:
    with ProgressDisplay(workspace.config, quiet=quiet) as display:
        workspace.adaptations.tell = display.note
        workspace.tool_form.tell = display.note
        work = asyncio.ensure_future(execute(workspace, display.update))
        # a polite end: the write in hand is finished and the run directory closed
        for number in interrupts():
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        try:
            return await work
        except asyncio.CancelledError:
            raise _interrupted() from None


def print_preview(plan: RunPlan, records: int) -> int:
    """Write `records` records into a directory that is removed again, and print a forecast."""
    try:
        preview = asyncio.run(preview_run(plan, records))
    except KeyboardInterrupt:
        raise RunInterruptedError("interrupted", hint="a preview keeps nothing") from None
    for record in preview.records:
        tell(f"— {record.topic or record.genre or record.id}")
        tell(record.body + "\n")
    print_forecast(preview)
    return 0
