"""`trace`: the path of each record, from the traces that a run keeps."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("trace")(trace)


def trace(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="a run directory")],
    record: Annotated[
        str | None,
        typer.Argument(metavar="[RECORD]", help="a record's id, or its beginning or end"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> int:
    """Show what each record took, or the whole path of one: turns, experts, gate, calls."""
    from metasynth.cli.screen.traces import tell_json, tell_table, tell_tree
    from metasynth.memory.traces.traced import find_trace, read_traces

    traces = read_traces(directory)
    chosen = find_trace(traces, record, root=directory) if record is not None else None
    if as_json:
        tell_json(traces if chosen is None else [chosen], spans=chosen is not None)
    elif chosen is None:
        tell_table(traces, directory)
    else:
        tell_tree(chosen)
    return 0
