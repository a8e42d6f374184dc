"""`mix`: texts for continued pre-training, by tokens."""

from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from metasynth.errors import RequestError


class Instructions(StrEnum):
    """How instructions become text."""

    auto = "auto"
    template = "template"
    plain = "plain"


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("mix")(mix)


def mix(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="FILE.parquet or FILE.jsonl; FILE.json beside it")
    ],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE…", help="run directories, or files and folders of texts; or NAME=SOURCE"
        ),
    ],
    tokenizer: Annotated[
        str, typer.Option("--tokenizer", help="of the model to train: a folder, hub id, embedded")
    ],
    shares: Annotated[
        str | None, typer.Option("--shares", help="of the sources by tokens, as 1:1 [all alike]")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=1, help="of the whole [as many as shares allow]")
    ] = None,
    length: Annotated[int, typer.Option("--length", min=2, help="of a packed sequence")] = 2048,
    unpacked: Annotated[bool, typer.Option("--unpacked", help="a row a text instead")] = False,
    instructions: Annotated[
        Instructions,
        typer.Option("--instructions", help="by the chat template, plain, or as there is one"),
    ] = Instructions.auto,
    field: Annotated[str | None, typer.Option("--field", help="of the text in rows [text]")] = None,
    seed: Annotated[int, typer.Option("--seed", help="of what is drawn and its order")] = 0,
    force: Annotated[bool, typer.Option("--force", help="write over an earlier mix")] = False,
) -> int:
    """Mix runs and texts of yours by tokens, packed, for training with the loss on all tokens."""
    endings = {".parquet": "parquet", ".jsonl": "jsonl"}
    target = endings.get(path.suffix.lower())
    if target is None:
        raise RequestError(
            f"{path}: its ending names no format",
            hint="use .parquet or .jsonl",
            code="wrong_format",
        )
    named = _named(sources)
    parts = _shares(shares, len(named))
    from metasynth.results.mix import MixSettings, write_mix
    from metasynth.results.tokenizer import TextTokenizer

    done = write_mix(
        path,
        named,
        TextTokenizer(tokenizer),
        MixSettings(parts, tokens, None if unpacked else length, instructions.value, field, seed),
        target="parquet" if target == "parquet" else "jsonl",
        force=force,
    )
    width = max(len(name) for name in named)
    for name, one in done.note["sources"].items():
        typer.echo(
            f"  {name:<{width}}  {one['tokens']:>12,} tokens  {one['share']:>6.1%}  "
            f"{one['documents']:,} of {one['documents_there']:,} documents"
        )
    what = "texts" if unpacked else f"sequences of {length:,} tokens"
    typer.echo(f"{done.note['tokens']:,} tokens, {done.rows:,} {what}, written to {path}")
    typer.echo(f"counts: {done.note_path}")
    return 0


def _named(sources: list[str]) -> dict[str, Path]:
    """The sources by their names: the one given, or that of the folder or file."""
    named: dict[str, Path] = {}
    for source in sources:
        name, separator, rest = source.partition("=")
        path = Path(rest if separator and not Path(source).exists() else source).expanduser()
        if not separator or path == Path(source):
            folder = path.parent if path.name == "corpus.jsonl" else path
            name = folder.resolve().name.partition(".")[0]
        if name in named:
            raise RequestError(
                f"two sources are called {name}", hint="name one: NAME=SOURCE", code="taken_name"
            )
        named[name] = path
    return named


def _shares(given: str | None, count: int) -> tuple[Fraction, ...]:
    if given is None:
        return (Fraction(1),) * count
    try:
        shares = tuple(Fraction(part) for part in given.split(":"))
    except (ValueError, ZeroDivisionError):
        shares = ()
    if len(shares) != count or min(shares) <= 0:
        raise RequestError(
            f"--shares {given}: {count} numbers above 0 are expected, as 1:1", code="invalid_shares"
        )
    return shares
