"""`export`: a run's corpus in the shapes that trainers read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.errors import RequestError
from metasynth.records.shape import SHAPES

from .screen.options import PluginsOption, with_plugins

if TYPE_CHECKING:
    from metasynth.results.export import Target


def _shapes() -> str:
    """The built-in shapes with their columns; none of their files imports anything slow."""
    names = [name for name in SHAPES.builtin() if name != "records"]
    return ", ".join(f"{name} ({', '.join(SHAPES[name].columns)})" for name in names)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("export")(export)


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="a run directory")],
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="FILE.jsonl, FILE.parquet, or a name without ending: a data set folder "
            "with a card",
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="NAME",
            help=f"{_shapes()}, records; jsonl and parquet: records in that format; "
            "hf: a folder with all that the run has [records; hf for a folder]",
        ),
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="prompt and preferences as text, for base models"),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="write over an earlier export")] = False,
    plugins: PluginsOption = None,
) -> int:
    """Write the corpus in a shape that trainers read."""
    with_plugins(plugins)
    shape, target = _resolved(to, path)
    from metasynth.results.export import export_run

    done = export_run(directory, path, shape=shape, target=target, plain=plain, force=force)
    rows = ", ".join(f"{count:,} rows of {name}" for name, count in done.rows.items())
    typer.echo(f"{done.records:,} records written to {path}: {rows}")
    return 0


def _resolved(to: str | None, path: Path) -> tuple[str | None, "Target"]:
    """The shape and the form of the file, from `--to` and the ending of PATH."""
    from metasynth.results.export import target_of

    if to == "hf":
        return None, "folder"
    if to in ("jsonl", "parquet"):
        if path.suffix.lower() not in ("", f".{to}"):
            raise RequestError(f"--to {to}: {path} ends in {path.suffix}", code="wrong_format")
        return "records", "jsonl" if to == "jsonl" else "parquet"
    target = target_of(path)
    if to is None:
        return None, target
    SHAPES.check(to, "--to")
    return to, target
