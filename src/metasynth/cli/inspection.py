"""`graph`, `doctor`: what the machine looks like and whether it is in order."""

from pathlib import Path
from typing import Annotated

import typer

from metasynth.errors import RequestError


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("graph")(graph)
    app.command("doctor")(doctor)


def graph(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="active, corpus, document, instruct, softsrv or template"
        ),
    ],
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="a picture (needs graphviz)")
    ] = None,
) -> int:
    """Print a graph as Mermaid text, or draw it."""
    from .drawing import drawable, write_png

    picture = drawable(name)
    if png is None:
        typer.echo(picture.draw_mermaid())
    else:
        write_png(picture, png)
        typer.echo(f"{png} written")
    return 0


def doctor(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="check this run file's models too")
    ] = None,
) -> int:
    """Say what is installed, which models answer, and what will be used."""
    from metasynth.cli.checkup import check_up

    if config is not None and not config.exists():
        raise RequestError(f"{config}: no such file")
    return check_up(config)
