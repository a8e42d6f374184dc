"""Options that several commands of `eval` take."""

from pathlib import Path
from typing import Annotated

import typer

from metasynth.eval.text_corpus import Split

FILES = (
    "JSONL (`text`, `messages`, or `prompt` and `completion`), Parquet, .gz, text files, folders "
    "or run directories; NAME=FILE names one"
)

FilesArgument = Annotated[list[str], typer.Argument(metavar="FILE…", help=FILES)]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field", metavar="NAME", help="of a row that holds the text; the first there counts"
    ),
]
TopicOption = Annotated[str, typer.Option(metavar="NAME", help="field of the topic label")]
PersonaOption = Annotated[str, typer.Option(metavar="NAME", help="field of the persona label")]
SplitOption = Annotated[
    Split, typer.Option("--split", help="a text in text files; auto: a line, in folders the file")
]
EmbedderOption = Annotated[
    str, typer.Option(metavar="MODEL", help="sentence-transformers folder or hub id, or default")
]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", metavar="FILE", help="SQLite file that keeps vectors")
]
DeviceOption = Annotated[str, typer.Option(help="of the embedder (and the probe): cpu, cuda, …")]
SeedOption = Annotated[int, typer.Option(help="of what is drawn")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON, for machines")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="no live progress")]
