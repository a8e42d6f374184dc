"""All graphs by their names, each built over a source of workspaces."""

from collections.abc import Callable, Mapping
from typing import Any

from langgraph.graph import StateGraph

from metasynth.graphs.active.graph import active_graph
from metasynth.graphs.corpus import RECORD_GRAPHS, corpus_graph
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.workspace import Source

GRAPHS: Mapping[str, Callable[[Source], StateGraph[Any, Any, Any, Any]]] = {
    **RECORD_GRAPHS,
    "active": active_graph,
    "corpus": corpus_graph,
    "softsrv": softsrv_graph,
}
"""Those that write a record, the frame in which they run, and those that are a frame themselves."""


def run_graph_name(graph: str) -> str:
    """The graph that carries out a run whose run file says `graph`."""
    return "corpus" if graph in RECORD_GRAPHS else graph
