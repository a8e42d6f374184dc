"""Live progress: records, calls in flight, tokens a second, cost, rejects by reason, time left."""

import asyncio
import sys
import time
from collections import Counter

from rich.console import Console
from rich.live import Live
from rich.table import Table

from metasynth.graphs.workspace import Workspace

_EVERY_S = 0.5
_LOG_EVERY_S = 10.0


async def watch(workspace: Workspace, *, quiet: bool) -> None:
    """Show the run's progress on stderr until cancelled: a panel on a terminal, else log lines."""
    if quiet:
        return
    meter = _Meter(workspace)
    if sys.stderr.isatty():
        console = Console(stderr=True)
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while True:
                live.update(meter.panel())
                await asyncio.sleep(_EVERY_S)
    while True:
        await asyncio.sleep(_LOG_EVERY_S)
        print(meter.line(), file=sys.stderr, flush=True)  # noqa: T201


class _Meter:
    """What has happened since this start, in the words of the display."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._started = time.monotonic()
        totals = workspace.ledger.totals()
        self._tokens_before = totals.tokens_in + totals.tokens_out
        self._done_before = self._done[0]

    def rows(self) -> list[tuple[str, str]]:
        """Label and value of each line of the display."""
        workspace, config = self._workspace, self._workspace.config
        totals, corpus = workspace.ledger.totals(), workspace.corpus
        elapsed = max(1e-9, time.monotonic() - self._started)
        tokens = totals.tokens_in + totals.tokens_out - self._tokens_before
        rows = [
            ("records", f"{corpus.accepted} of {config.budget.records}"),
            ("calls", f"{totals.calls}, {workspace.caller.in_flight} in flight"),
            ("tokens", f"{totals.tokens_in + totals.tokens_out:,} ({tokens / elapsed:,.0f}/s)"),
        ]
        if config.prices:
            rows.append(("cost", f"${totals.usd:.4f}"))
        if corpus.rejected:
            rows.append(("rejected", _reasons(corpus.reasons())))
        rows.extend(workspace.activity)
        rows.append(("time", f"{_clock(elapsed)}, {self._left(elapsed)} left"))
        return rows

    def panel(self) -> Table:
        """The display of a terminal."""
        table = Table.grid(padding=(0, 2))
        for label, value in self.rows():
            table.add_row(f"[bold]{label}[/]", value)
        return table

    def line(self) -> str:
        """The display of a log."""
        return " · ".join(f"{label} {value}" for label, value in self.rows())

    def _left(self, elapsed: float) -> str:
        done, wanted = self._done
        since = done - self._done_before
        return _clock(elapsed / since * max(0, wanted - done)) if since else "?"

    @property
    def _done(self) -> tuple[int, int]:
        """How far the run is, and where it ends: rounds ask for rows, whatever becomes of them."""
        config, corpus = self._workspace.config, self._workspace.corpus
        if config.graph == "active" and config.active is not None:
            return corpus.accepted + corpus.rejected, sum(config.active.plan)
        return corpus.accepted, config.budget.records


def _reasons(reasons: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(reasons).most_common(4))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
