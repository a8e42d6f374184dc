"""`export`: a run's corpus in the shapes that trainers read."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.errors import RequestError

if TYPE_CHECKING:
    from metasynth.results.export import Target


class To(StrEnum):
    """What `--to` knows: shapes of rows, and formats, which then hold whole records."""

    chat = "chat"
    prompt = "prompt"
    preferences = "preferences"
    sharegpt = "sharegpt"
    text = "text"
    records = "records"
    jsonl = "jsonl"
    parquet = "parquet"
    hf = "hf"


_FORMATS: "dict[str, Target]" = {".jsonl": "jsonl", ".parquet": "parquet"}


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
        To | None,
        typer.Option(
            "--to",
            help="chat (messages), prompt (prompt, completion), preferences (prompt, chosen, "
            "rejected), sharegpt, text, records; jsonl and parquet: records in that format; "
            "hf: a folder with all that the run has [records; hf for a folder]",
        ),
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="prompt and preferences as text, for base models"),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="write over an earlier export")] = False,
) -> int:
    """Write the corpus in a shape that trainers read."""
    shape, target = _resolved(to, path)
    if plain and shape not in ("prompt", "preferences"):
        raise RequestError("--plain: goes with --to prompt or --to preferences alone")
    from metasynth.results.export import export_run

    done = export_run(directory, path, shape=shape, target=target, plain=plain, force=force)
    rows = ", ".join(f"{count:,} rows of {name}" for name, count in done.rows.items())
    typer.echo(f"{done.records:,} records written to {path}: {rows}")
    return 0


def _resolved(to: To | None, path: Path) -> tuple[str | None, "Target"]:
    """The shape and the form of the file, from `--to` and the ending of PATH."""
    ending: Target | None = _FORMATS.get(path.suffix.lower())
    if to is To.hf or (to is None and ending is None and not path.suffix):
        return None, "folder"
    if to is To.jsonl or to is To.parquet:
        asked: Target = "jsonl" if to is To.jsonl else "parquet"
        if ending not in (None, asked):
            raise RequestError(f"--to {to}: {path} ends in {path.suffix}")
        return "records", asked
    if ending is None and path.suffix:
        raise RequestError(
            f"{path}: its ending names no format",
            hint="use .jsonl, .parquet, or none for a data set folder",
        )
    return (str(to) if to else "records"), ending or "folder"
