"""Arguments and options that several commands take."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from metasynth.errors import RequestError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from metasynth.config.run import RunConfig

DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="a run directory")]
ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="a run file (YAML)")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="change a key of the run file"),
]
RolesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--roles", metavar="DIR", help="a directory of own roles, or library:DOMAIN; adds to others"
    ),
]

PluginsOption = Annotated[
    list[Path] | None,
    typer.Option("--plugins", metavar="DIR", help="a directory of own parts, one a file"),
]


def check_run(directory: Path) -> None:
    """A run directory is expected.

    Raises:
        RequestError: It is none (code `no_run`).
    """
    if not (directory / "run.yaml").exists():
        raise RequestError(f"{directory}: no run directory (it has no run.yaml)", code="no_run")


def with_plugins(directories: Sequence[Path] | None) -> None:
    """Make the parts of `--plugins` and of installed packages known by their names."""
    from metasynth.compose.parts import find_plugins

    find_plugins(directories or ())


def with_roles(config: "RunConfig", sources: Sequence[str]) -> "RunConfig":
    """The run file with the roles of `--roles` beside its own, which they go before."""
    from metasynth.config.run import ROLES

    for source in sources:
        folder = ROLES.path_in(source)
        if folder is not None and not folder.is_dir():
            raise RequestError(f"--roles: no such directory: {source}", code="missing_directory")
    added = (ROLES.resolve(source, Path.cwd()) for source in sources)
    return config.model_copy(update={"roles": (*config.roles, *added)})


_SECTION = TypeVar("_SECTION", bound="BaseModel")


def checked_section(section: type[_SECTION], values: Mapping[str, Any]) -> _SECTION:
    """The section with these values.

    Raises:
        RequestError: One of them is wrong (code `invalid_option`); it names the option.
    """
    from pydantic import ValidationError

    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        first: Any = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-") if first["loc"] else section.__name__
        raise RequestError(
            f"--{name}: {first['msg']} (got {first['input']!r})", code="invalid_option"
        ) from None
