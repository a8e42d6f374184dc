"""`explain`, `export`: what a run directory holds."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metasynth.errors import RequestError


class Shape(StrEnum):
    """The shapes that trainers read."""

    jsonl = "jsonl"
    parquet = "parquet"
    hf = "hf"
    chat = "chat"


DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="a run directory")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("explain")(explain)
    app.command("export")(export)


def explain(
    directory: DirectoryArgument,
    record: Annotated[str, typer.Argument(metavar="ID", help="a record's id")],
) -> int:
    """Tell a record's story: who wrote it, what they saw, what the gate said, what it cost."""
    _check(directory)
    from .receipt import print_receipt

    print_receipt(directory, record)
    return 0


def export(
    directory: DirectoryArgument,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="file, or folder for hf")],
    to: Annotated[Shape, typer.Option("--to", help="shape of the export")] = Shape.jsonl,
) -> int:
    """Write the corpus in a shape that trainers read."""
    _check(directory)
    from .exporting import export_corpus

    count = export_corpus(directory, path, str(to))
    typer.echo(f"{count} records written to {path}")
    return 0


def _check(directory: Path) -> None:
    if not (directory / "run.yaml").exists():
        raise RequestError(f"{directory}: no run directory (it has no run.yaml)")
