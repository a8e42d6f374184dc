"""`graph`: a graph as Mermaid text, or as a picture."""

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.errors import MetaSynthError, RequestError

if TYPE_CHECKING:
    from langchain_core.runnables.graph import Graph

    from metasynth.graphs.workspace import RunContext, Workspace


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("graph")(graph)


def graph(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="active, corpus, document, instruct, softsrv or template"
        ),
    ],
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="a picture (needs graphviz)")
    ] = None,
) -> int:
    """Print a graph as Mermaid text, or draw it."""
    picture = drawable(name)
    if png is None:
        typer.echo(picture.draw_mermaid())
    else:
        write_png(picture, png)
        typer.echo(f"{png} written")
    return 0


def drawable(name: str) -> "Graph":
    """The graph called `name`, ready to be drawn.

    Raises:
        RequestError: No graph has that name (code `unknown_graph`).
    """
    from metasynth.compose.graphs import GRAPHS

    if name not in GRAPHS:
        raise RequestError(
            f"no graph {name!r}; there are: {', '.join(sorted(GRAPHS))}", code="unknown_graph"
        )
    return GRAPHS[name](_nothing).compile(name=name).get_graph(xray=True)


async def _nothing(_context: "RunContext | None") -> "Workspace":
    raise MetaSynthError("a graph that is only drawn was run")


def write_png(picture: "Graph", path: Path) -> None:
    """Draw through graphviz's `dot`; nothing is sent to a drawing service.

    Raises:
        MetaSynthError: `dot` is not installed (code `no_graphviz`) or the file cannot be written.
    """
    dot = shutil.which("dot")
    if dot is None:
        raise MetaSynthError(
            "--png: graphviz's `dot` is not installed",
            hint="install the package graphviz, or use the Mermaid text without --png",
            code="no_graphviz",
        )
    lines = ["digraph {", 'node [shape=box, style=rounded, fontname="sans-serif"]']
    lines += [f'"{node}"' for node in picture.nodes]
    for edge in picture.edges:
        style = ' [style="dashed"]' if edge.conditional else ""
        lines.append(f'"{edge.source}" -> "{edge.target}"{style}')
    source = "\n".join([*lines, "}"])
    try:
        subprocess.run(  # noqa: S603 - the program found above, the text made here
            [dot, "-Tpng", "-o", str(path)],
            input=source,
            text=True,
            check=True,
            capture_output=True,
        )
    except subprocess.CalledProcessError as error:
        raise MetaSynthError(
            f"{path}: cannot be drawn ({error.stderr.strip()})", code="not_writable"
        ) from None
