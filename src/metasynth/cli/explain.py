"""`explain`: what a run directory holds."""

from typing import Annotated

import typer

from .screen.options import DirectoryArgument, check_run


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("explain")(explain)


def explain(
    directory: DirectoryArgument,
    record: Annotated[
        str, typer.Argument(metavar="ID", help="a record's id, or its beginning or end")
    ],
) -> int:
    """Tell a record's story: who wrote it, what they saw, what the gate said, what it cost."""
    check_run(directory)
    from metasynth.cli.screen.receipt import print_receipt

    print_receipt(directory, record)
    return 0
