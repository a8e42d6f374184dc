"""`explain`: what a run directory holds."""

from pathlib import Path
from typing import Annotated

import typer

from metasynth.errors import RequestError

DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="a run directory")]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("explain")(explain)


def explain(
    directory: DirectoryArgument,
    record: Annotated[str, typer.Argument(metavar="ID", help="a record's id")],
) -> int:
    """Tell a record's story: who wrote it, what they saw, what the gate said, what it cost."""
    check_run(directory)
    from metasynth.cli.screen.receipt import print_receipt

    print_receipt(directory, record)
    return 0


def check_run(directory: Path) -> None:
    """A run directory is expected.

    Raises:
        RequestError: It is none (code `no_run`).
    """
    if not (directory / "run.yaml").exists():
        raise RequestError(f"{directory}: no run directory (it has no run.yaml)", code="no_run")
