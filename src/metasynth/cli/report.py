"""`report`: a run as one page."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("report")(report)


def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="a run directory")],
    baselines: Annotated[
        list[Path] | None,
        typer.Option(
            "--baseline", metavar="DIR2", help="a run to stand beside it; may be repeated"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="the page [DIR/report.html]; metrics.json beside"
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no live progress")] = False,
) -> int:
    """Write report.html, which works offline, and metrics.json: what was made and what it cost."""
    from metasynth.cli.screen.bars import Bar
    from metasynth.cli.screen.terminal import tell
    from metasynth.eval.report.verdicts import report_sentence
    from metasynth.results.report.report import write_report

    with Bar("vector", quiet=quiet) as bar:
        written = write_report(directory, baselines or (), out=out, tell=bar.update)
    tell(report_sentence(written.report))
    tell(f"  page     {written.page}")
    tell(f"  numbers  {written.metrics}")
    return 0
