"""`roles list|show|check|new`: the experts."""

from pathlib import Path
from typing import Annotated

import typer

from metasynth.errors import RequestError
from metasynth.rundir import write_atomically

app = typer.Typer(help="The experts, defined in YAML.", no_args_is_help=True)

RolesOption = Annotated[
    list[Path] | None, typer.Option("--roles", metavar="DIR", help="a directory of own roles")
]

_NEW = """\
# An expert of yours. Use it with: metasynth run CONFIG --roles {folder}
name: {name}
title: {title}
for: [document]              # the graphs that offer this expert
description: One sentence by which the conductor decides when to consult it.
receives: [draft]            # what may be attached: draft, keywords, summary, topic, analysis,
                             # note, seed, neighbours; empty means anything
produces: note               # draft, keywords, summary, topic, analysis or note
output: text
temperature: 0.7             # optional, as are model and max_tokens
# The system prompt; Jinja2 with domain, description, language, persona, genre, max_words and title.
instructions: |
  Say what this expert does with what is attached, within the domain {{{{ domain }}}}.
  Answer with the result alone.
"""


@app.command("list")
def list_roles(roles: RolesOption = None) -> int:
    """All experts, one a line."""
    from metasynth.agents import load_roles

    book = load_roles(roles or [])
    for name in book.names():
        role = book[name]
        typer.echo(f"{name:<26} {', '.join(role.for_):<12} {role.description}")
    return 0


@app.command()
def show(name: str, roles: RolesOption = None) -> int:
    """One expert as it is used, with its system prompt."""
    from metasynth.agents import load_roles

    book = load_roles(roles or [])
    role = book.get(name)
    if role is None:
        raise RequestError(f"no role {name!r}; there are: {', '.join(book.names())}")
    typer.echo(f"{role.name}: {role.title}\n{role.description}")
    typer.echo(f"takes {', '.join(role.receives) or 'anything'}, makes {role.produces}\n")
    typer.echo(role.instructions)
    return 0


@app.command()
def check(paths: Annotated[list[Path], typer.Argument(metavar="PATH…")]) -> int:
    """Check role files, or directories of them, and name every problem."""
    from metasynth.agents import load_role, role_files

    files: list[Path] = []
    for path in paths:
        files += role_files(path) if path.is_dir() else [path]
    if not files:
        raise RequestError(f"no role files in {', '.join(map(str, paths))}")
    wrong = 0
    for file in files:
        try:
            typer.echo(f"{file}: {load_role(file).name} is fine")
        except RequestError as problem:
            typer.echo(f"error: {problem.message}", err=True)
            wrong = RequestError.exit_status
    return wrong


@app.command()
def new(
    name: str,
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="where to write it")] = Path(
        "roles"
    ),
) -> int:
    """Write a commented role file to start from."""
    from metasynth.agents import parse_role

    path = folder / f"{name}.yaml"
    if path.exists():
        raise RequestError(f"{path}: exists already")
    title = name.replace("_", " ").title()
    text = _NEW.format(name=name, title=f"{title} Expert", folder=folder)
    parse_role(text, where=f"role {name!r}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise RequestError(f"{path}: cannot be written ({error.strerror})") from None
    typer.echo(f"{path} written; check it with: metasynth roles check {path}")
    return 0
