"""A run carried to its end, with reports of how far it is."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from metasynth.errors import MetaSynthError
from metasynth.graphs.workspace import Workspace, constant

from .graphs import GRAPHS, run_graph_name

_NO_LIMIT = 1_000_000_000  # of steps: a run is bounded by its budget and its rounds
_REPORT_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        accepted: Records in the corpus, those of earlier starts included.
        rejected: Records that were given up.
        reasons: For what, with their counts.
        done: Of `wanted`; the run ends where it reaches that.
        wanted: Accepted records; in the graph active the rows asked for, whatever becomes of them.
        calls: Of models, over all starts, as the tokens are.
        in_flight: Calls that wait for their answers.
        usd: US dollars by the run file's prices.
        activity: What is computed beside the calls: a label and a text each.
        seconds: Since this start.
    """

    accepted: int
    rejected: int
    reasons: Mapping[str, int]
    done: int
    wanted: int
    calls: int
    in_flight: int
    tokens_in: int
    tokens_out: int
    usd: float
    activity: Sequence[tuple[str, str]]
    seconds: float


def run_graph(workspace: Workspace) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph that the run file names, compiled over the run's workspace.

    Its nodes are in the run's traces. It takes `{"chains": n}` and says `accepted`, `rejected` and
    `stopped_because`.
    """
    name = run_graph_name(workspace.config.graph)
    graph = GRAPHS[name](constant(workspace)).compile(name=name)
    return graph.with_config(recursion_limit=_NO_LIMIT, callbacks=workspace.callbacks)


async def execute(workspace: Workspace, report: Callable[[Progress], object] | None = None) -> str:
    """Carry the run to the end of its budget.

    What is in work when this is cancelled is ended first, so that the run directory can be closed.

    Args:
        report: Called at the start, twice a second, and at the end.

    Returns:
        Why it ended.
    """
    began = time.monotonic()
    graph = run_graph(workspace)
    work = asyncio.ensure_future(graph.ainvoke({"chains": workspace.config.concurrency}))
    try:
        while not work.done():
            if report is not None:
                report(progress_of(workspace, time.monotonic() - began))
            await asyncio.wait({work}, timeout=None if report is None else _REPORT_EVERY_S)
        if report is not None and not work.exception():
            report(progress_of(workspace, time.monotonic() - began))
    except BaseException:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise
    return str((await work)["stopped_because"])


def progress_of(workspace: Workspace, seconds: float) -> Progress:
    """How far the run is, `seconds` after its start."""
    config, corpus, totals = workspace.config, workspace.corpus, workspace.ledger.totals()
    done, wanted = corpus.accepted, config.budget.records
    if config.graph == "active" and config.active is not None:
        done, wanted = corpus.accepted + corpus.rejected, sum(config.active.plan)
    return Progress(
        accepted=corpus.accepted,
        rejected=corpus.rejected,
        reasons=corpus.reasons(),
        done=done,
        wanted=wanted,
        calls=totals.calls,
        in_flight=workspace.caller.in_flight,
        tokens_in=totals.tokens_in,
        tokens_out=totals.tokens_out,
        usd=totals.usd,
        activity=workspace.activity,
        seconds=seconds,
    )


def failure_of(workspace: Workspace, stopped_because: str) -> MetaSynthError | None:
    """Why a run did not come to an end that was asked for; None where it did.

    It stalled, could not work, or wrote nothing at all, though its budget is used up. `code` is
    what `stopped_because` begins with.
    """
    accepted = workspace.corpus.accepted
    asked_for = ("budget", "candidates", "documents", "rounds")
    if accepted >= workspace.config.budget.records or (
        accepted > 0 and stopped_because.startswith(asked_for)
    ):
        return None
    nothing = "" if accepted else "nothing was written; "
    stopped = workspace.caller.health.stopped
    hint = "the same command goes on where it stopped"
    if stopped is not None and stopped.message == stopped_because:
        hint = stopped.hint or hint
    elif workspace.corpus.rejected:
        hint = "rejected.jsonl has what was turned down, and why"
    code = stopped_because.partition(":")[0]
    return MetaSynthError(f"{nothing}{stopped_because}{_reasons(workspace)}", hint=hint, code=code)


def _reasons(workspace: Workspace) -> str:
    """What records were rejected for, with their counts."""
    reasons = Counter(workspace.corpus.reasons()).most_common()
    counts = ", ".join(f"{name} {count}" for name, count in reasons)
    return f" (rejected: {counts})" if counts else ""
