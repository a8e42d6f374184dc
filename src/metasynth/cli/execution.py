"""Carrying out a run: its graph with live progress beside it."""

import asyncio
import signal
import tempfile
from pathlib import Path

from metasynth.cli.screen.forecast import print_forecast, trial_of
from metasynth.cli.screen.progress import watch
from metasynth.cli.screen.summary import print_summary
from metasynth.cli.screen.terminal import tell
from metasynth.compose.plan import RunPlan
from metasynth.compose.run import open_run
from metasynth.errors import RunInterruptedError
from metasynth.graphs.active.graph import active_graph
from metasynth.graphs.corpus import corpus_graph
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.workspace import Workspace, constant

from .reviewing import TerminalReviewer

_GRAPHS = {"active": active_graph, "softsrv": softsrv_graph}  # the others write documents
_NO_LIMIT = 1_000_000_000  # of steps: a run is bounded by its budget and its rounds


def carry_out(plan: RunPlan, directory: Path, *, quiet: bool) -> int:
    """Run to the end of the budget and print the summary; the exit status."""
    return asyncio.run(_carry_out(plan, directory, quiet=quiet))


async def _carry_out(plan: RunPlan, directory: Path, *, quiet: bool) -> int:
    async with open_run(plan, directory) as workspace:
        if plan.config.review.ask:
            workspace.reviewer, quiet = TerminalReviewer(workspace), True  # one voice at a time
        stopped_because = await _write(workspace, quiet=quiet)
        print_summary(workspace, directory, stopped_because)
        return 0 if _is_done(workspace, stopped_because) else 1


def _is_done(workspace: Workspace, stopped_because: str) -> bool:
    """Whether the run came to an end that was asked for; it stalled or wrote nothing otherwise."""
    accepted = workspace.corpus.accepted
    if accepted >= workspace.config.budget.records or stopped_because.startswith("budget"):
        return True
    return stopped_because.startswith(("candidates", "documents", "rounds")) and accepted > 0


async def _write(workspace: Workspace, *, quiet: bool) -> str:
    name = workspace.config.graph if workspace.config.graph in _GRAPHS else "corpus"
    builder = _GRAPHS.get(name, corpus_graph)(constant(workspace))
    graph = builder.compile(name=name).with_config(recursion_limit=_NO_LIMIT)
    given = {"chains": workspace.config.concurrency}
    work = asyncio.ensure_future(graph.ainvoke(given, {"callbacks": workspace.callbacks}))
    # a polite end: the write in hand is finished and the run directory closed
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    watcher = asyncio.ensure_future(watch(workspace, quiet=quiet))
    try:
        result = await work
    except asyncio.CancelledError:
        raise RunInterruptedError(
            "interrupted", hint="the same command goes on where this one stopped"
        ) from None
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
    return str(result["stopped_because"])


def preview_run(plan: RunPlan, records: int) -> int:
    """Write `records` records into a directory that is removed again, and print a forecast."""
    trial = RunPlan(trial_of(plan.config, records))

    async def write() -> None:
        with tempfile.TemporaryDirectory(prefix="metasynth-preview-") as folder:
            async with open_run(trial, Path(folder)) as workspace:
                await _write(workspace, quiet=True)
                for record in workspace.corpus.records():
                    tell(f"— {record.topic or record.genre or record.id}")
                    tell(record.body + "\n")
                print_forecast(workspace, plan.config, Path(folder))

    asyncio.run(write())
    return 0
