"""Experts by the name that a person gives: a role of a run, of the library, or of a file."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.errors import RequestError

if TYPE_CHECKING:
    from metasynth.agents.roles.role import Role


def library() -> Iterator[tuple[str, "Role"]]:
    """The package's experts for domains, each with its domain."""
    from metasynth.agents.roles.book import library_domains, library_roles

    for domain in library_domains():
        yield from ((domain, role) for role in library_roles(domain))


def find_role(name: str, sources: Sequence[str]) -> "Role":
    """The expert called `name`, or the one in the file `name`.

    Raises:
        RequestError: There is none.
        ConfigError: A role file is wrong.
    """
    from metasynth.agents.roles.book import load_roles
    from metasynth.agents.roles.reading import load_role

    if name.endswith((".yaml", ".yml")):
        return load_role(Path(name))
    book = load_roles(sources)
    others = {role.name: role for _, role in library()}
    if role := book.get(name) or others.get(name):
        return role
    known = sorted({*book.names(), *others})
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    raise RequestError(
        f"no role {name!r}{meant}; there are: {', '.join(known)}", code="unknown_role"
    )
