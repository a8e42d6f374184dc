"""`roles list|show|check|new|try`: the experts."""

from typing import TYPE_CHECKING

import typer

from metasynth.cli.screen.options import RolesOption

from . import check as roles_check
from . import new as roles_new
from . import trial as roles_try
from .names import find_role, library
from .text import role_text

if TYPE_CHECKING:
    from metasynth.agents.roles.role import Role

app = typer.Typer(help="The experts, defined in YAML.", no_args_is_help=True)


@app.command("list")
def list_roles(roles: RolesOption = None) -> int:
    """All experts, one a line; those of the library are there where a run file names them.

    A run file names them by `roles: library:DOMAIN`.
    """
    from metasynth.agents.roles.book import load_roles

    book = load_roles(roles or [])
    for name in book.names():
        _tell(book[name])
    for domain, role in library():
        if book.get(role.name) is None:
            _tell(role, f"library:{domain}")
    return 0


def _tell(role: "Role", source: str = "") -> None:
    where = f"[{source}] " if source else ""
    typer.echo(f"{role.name:<31} {', '.join(role.for_):<10} {where}{role.description}")


@app.command()
def show(name: str, roles: RolesOption = None) -> int:
    """One expert as it is used, as the YAML of a role file; NAME may be a role file."""
    role = find_role(name, roles or [])
    typer.echo(role_text(role), nl=False)
    return 0


roles_check.register(app)
roles_new.register(app)
roles_try.register(app)
