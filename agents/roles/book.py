"""The roles of a run: those that the package carries, its library by domain, and the user's."""

import difflib
import functools
import hashlib
import importlib.resources
from collections.abc import Iterable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from metasynth.config.run import ROLE_LIBRARY
from metasynth.errors import ConfigError

from .reading import load_role, parse_role
from .role import Role


class RoleBook:
    """The roles of a run by name, and a hash of all that they say."""

    def __init__(self, roles: Iterable[Role]) -> None:
        self._roles = {role.name: role for role in roles}

    def __getitem__(self, name: str) -> Role:
        return self._roles[name]

    def get(self, name: str) -> Role | None:
        """The role called `name`, or None."""
        return self._roles.get(name)

    def offered_by(self, graph: str) -> list[Role]:
        """The roles that `graph` offers, by name."""
        return [role for _, role in sorted(self._roles.items()) if graph in role.for_]

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._roles)

    def version(self, *, short: bool = False) -> str:
        """A short hash that changes with any word of any role.

        Args:
            short: Count the roles' short texts too, which are read with `experts.style: short`.
        """
        unread = None if short else {"short"}
        dumps = (self._roles[name].model_dump_json(exclude=unread) for name in self.names())
        text = "\n".join(dumps)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_roles(sources: Sequence[Path | str] = ()) -> RoleBook:
    """The package's roles, overridden by those in `sources`, a later one over an earlier one.

    Args:
        sources: Directories of role files, or `library:DOMAIN` for the package's own experts in
            a domain.

    Raises:
        ConfigError: There is no such source, or a file is not a role; all its problems are named
            with the file and the line.
    """
    roles = {role.name: role for role in packaged_roles()}
    for source in sources:
        if str(source).startswith(ROLE_LIBRARY):
            added = library_roles(str(source).removeprefix(ROLE_LIBRARY))
        else:
            added = _roles_in(Path(source))
        roles.update((role.name, role) for role in added)
    return RoleBook(roles.values())


def _roles_in(folder: Path) -> list[Role]:
    if not folder.is_dir():
        raise ConfigError(f"roles: no such directory: {folder}", code="missing_directory")
    found: dict[str, Path] = {}
    roles = []
    for path in role_files(folder):
        role = load_role(path)
        if role.name in found:
            raise ConfigError(
                f"{path}: role {role.name!r} stands in {found[role.name]} too", code="taken_name"
            )
        found[role.name] = path
        roles.append(role)
    return roles


def role_files(folder: Path) -> list[Path]:
    """The role files in a folder, sorted."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


def packaged_roles() -> list[Role]:
    """The roles that every run has, sorted by file."""
    return list(_packaged_in("roles"))


def library_domains() -> list[str]:
    """The domains that the package has experts for."""
    return sorted(folder.name for folder in _packaged("roles/library").iterdir())


def library_roles(domain: str) -> list[Role]:
    """The package's experts in a domain.

    Raises:
        ConfigError: There is no such domain.
    """
    known = library_domains()
    if domain not in known:
        close = difflib.get_close_matches(domain, known, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigError(
            f"roles: the library has no domain {domain!r}{meant}; there are {', '.join(known)}",
            code="unknown_domain",
        )
    return list(_packaged_in(f"roles/library/{domain}"))


def packaged_role_text(name: str) -> str:
    """The YAML text of the packaged file `name`."""
    return _packaged("roles").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _packaged_in(folder: str) -> tuple[Role, ...]:
    files = sorted(_packaged(folder).iterdir(), key=lambda file: file.name)
    return tuple(
        parse_role(file.read_text(encoding="utf-8"), where=f"metasynth/agents/{folder}/{file.name}")
        for file in files
        if file.name.endswith(".yaml")
    )


def _packaged(path: str) -> Traversable:
    return importlib.resources.files("metasynth.agents").joinpath(*path.split("/"))
