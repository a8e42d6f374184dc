"""`schema`: the files that a person writes, as JSON schema for editors."""

import json
from typing import Annotated, Literal

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("schema")(schema)


def schema(
    of: Annotated[Literal["run", "role"], typer.Argument(help="which file's schema")],
) -> int:
    """Print the JSON schema of run files or of role files, by which editors complete them."""
    typer.echo(schema_text(of), nl=False)
    return 0


def schema_text(of: Literal["run", "role"]) -> str:
    """A schema as it is written to a file."""
    from metasynth.agents.roles.schema import role_schema
    from metasynth.compose.parts import builtin_parts
    from metasynth.config.schema import run_schema

    content = run_schema(builtin_parts()) if of == "run" else role_schema()
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
