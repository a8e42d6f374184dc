"""`schema`: the files that a person writes, as JSON schema for editors."""

from typing import Annotated, Literal

import typer

from .screen.schemas import schema_text


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("schema")(schema)


def schema(
    of: Annotated[Literal["run", "role"], typer.Argument(help="which file's schema")],
) -> int:
    """Print the JSON schema of run files or of role files, by which editors complete them."""
    typer.echo(schema_text(of), nl=False)
    return 0
