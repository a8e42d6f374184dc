"""`studio`: a run's threads in LangGraph Studio."""

from typing import Annotated

import typer

from metasynth.cli.screen.options import DirectoryArgument, check_run


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("studio")(studio)


def studio(
    directory: DirectoryArgument,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="[2024, or a free one]")
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="open the hosted Studio page in a browser")
    ] = False,
) -> int:
    """Serve a run's threads to LangGraph Studio, on this machine alone, until Ctrl-C."""
    check_run(directory)
    from .server import serve

    return serve(directory.resolve(), port=port, opens_page=open_)
