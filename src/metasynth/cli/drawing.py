"""Graphs as pictures."""

import shutil
import subprocess
from pathlib import Path

from langchain_core.runnables.graph import Graph

from metasynth.errors import MetaSynthError, RequestError
from metasynth.graphs.active.graph import active_graph
from metasynth.graphs.baselines.instruct import baseline_graph
from metasynth.graphs.baselines.instruct_prompts import BASELINES
from metasynth.graphs.baselines.template import template_graph
from metasynth.graphs.corpus import corpus_graph
from metasynth.graphs.document.graph import document_graph
from metasynth.graphs.instruct.graph import instruct_graph
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.workspace import RunContext, Workspace

_GRAPHS = {
    "active": active_graph,
    "corpus": corpus_graph,
    "document": document_graph,
    "instruct": instruct_graph,
    "softsrv": softsrv_graph,
    "template": template_graph,
    **{way: baseline_graph(way) for way in BASELINES},
}


def graph_names() -> list[str]:
    """The names of all graphs."""
    return sorted(_GRAPHS)


async def _nothing(_context: RunContext | None) -> Workspace:
    raise MetaSynthError("a graph that is only drawn was run")


def drawable(name: str) -> Graph:
    """The graph called `name`, ready to be drawn.

    Raises:
        RequestError: No graph has that name.
    """
    if name not in _GRAPHS:
        raise RequestError(f"no graph {name!r}; there are: {', '.join(_GRAPHS)}")
    return _GRAPHS[name](_nothing).compile(name=name).get_graph(xray=True)


def write_png(picture: Graph, path: Path) -> None:
    """Draw through graphviz's `dot`; nothing is sent to a drawing service.

    Raises:
        MetaSynthError: `dot` is not installed or the file cannot be written.
    """
    dot = shutil.which("dot")
    if dot is None:
        raise MetaSynthError(
            "--png: graphviz's `dot` is not installed",
            hint="install the package graphviz, or use the Mermaid text without --png",
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
        raise MetaSynthError(f"{path}: cannot be drawn ({error.stderr.strip()})") from None
