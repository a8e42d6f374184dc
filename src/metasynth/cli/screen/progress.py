"""Live progress: records, calls in flight, tokens a second, cost, rejects by reason, time left."""

import sys
from collections import Counter
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from metasynth.compose.execution import Progress
from metasynth.config.run import RunConfig

from .bars import clock
from .terminal import tell

_LOG_EVERY_S = 10.0


class ProgressDisplay:
    """A run's progress on stderr, as a context manager: a panel on a terminal, else log lines."""

    def __init__(self, config: RunConfig, *, quiet: bool) -> None:
        self._config = config
        self._quiet = quiet
        self._live: Live | None = None
        self._first: Progress | None = None
        self._logged = 0.0

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            self._live = Live(
                console=Console(stderr=True), refresh_per_second=4, transient=True
            ).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def update(self, progress: Progress) -> None:
        """Show it; on a log, now and then."""
        self._first = self._first or progress
        if self._live is not None:
            table = Table.grid(padding=(0, 2))
            for label, value in self._rows(progress):
                table.add_row(f"[bold]{label}[/]", value)
            self._live.update(table)
        elif not self._quiet and progress.seconds - self._logged >= _LOG_EVERY_S:
            self._logged = progress.seconds
            line = " · ".join(f"{label} {value}" for label, value in self._rows(progress))
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    def note(self, line: str) -> None:
        """Say something that is worth a line of its own, above the panel."""
        if self._live is not None:
            self._live.console.print(Text(line))
        else:
            tell(line, err=True)

    def _rows(self, now: Progress) -> list[tuple[str, str]]:
        """Label and value of each line."""
        assert self._first is not None
        tokens = now.tokens_in + now.tokens_out
        new = tokens - self._first.tokens_in - self._first.tokens_out
        pace = new / now.seconds if now.seconds else 0.0
        rows = [
            ("records", f"{now.accepted} of {self._config.budget.records}"),
            ("calls", f"{now.calls}, {now.in_flight} in flight"),
            ("tokens", f"{tokens:,} ({pace:,.0f}/s)"),
        ]
        if self._config.prices:
            rows.append(("cost", f"${now.usd:.4f}"))
        if now.rejected:
            most = Counter(now.reasons).most_common(4)
            rows.append(("rejected", ", ".join(f"{name} {count}" for name, count in most)))
        rows += now.activity
        done = now.done - self._first.done
        left = clock(now.seconds / done * max(0, now.wanted - now.done)) if done else "?"
        rows.append(("time", f"{clock(now.seconds)}, {left} left"))
        return rows
