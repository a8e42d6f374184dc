"""The edges of every graph: drawn from types, and a node goes nowhere else."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from metasynth.graphs.active.graph import active_graph
from metasynth.graphs.corpus import RECORD_GRAPHS, corpus_graph
from metasynth.graphs.questions.candidates import candidate_graph
from metasynth.graphs.run.nodes import add_node
from metasynth.graphs.softsrv.graph import softsrv_graph
from metasynth.graphs.workspace import RunContext, Workspace

GRAPHS = {
    **RECORD_GRAPHS,
    "candidate": candidate_graph,
    "corpus": corpus_graph,
    "active": active_graph,
    "softsrv": softsrv_graph,
}
BASELINE = """
__start__ > draw
draw > ask
ask > gate
gate > answer review reject
answer > review
review > checks score reject
checks > score reject
score > approve admit reject
approve > admit approve reject
admit > reject __end__
reject > __end__
"""
EDGES = {
    "document": """
        __start__ > brief
        brief > conductor
        conductor > consult sample decide conductor reject
        consult > decide
        sample > decide
        decide > conductor gate reject
        gate > checks score conductor reject
        checks > score conductor reject
        score > approve admit conductor reject
        approve > admit approve conductor reject
        admit > conductor reject __end__
        reject > __end__
    """,
    "instruct": """
        __start__ > brief
        brief > conductor
        conductor > consult decide conductor gate reject
        consult > decide
        decide > conductor gate reject
        gate > answer conductor reject
        answer > review
        review > answer follow_up checks score conductor reject
        follow_up > answer checks score
        checks > score conductor reject
        score > approve admit conductor reject
        approve > admit approve conductor reject
        admit > conductor reject __end__
        reject > __end__
    """,
    "template": """
        __start__ > seed
        seed > write
        write > gate reject
        gate > checks score reject
        checks > score reject
        score > approve admit reject
        approve > admit approve reject
        admit > reject __end__
        reject > __end__
    """,
    "self_instruct": BASELINE,
    "evol_instruct": BASELINE,
    "template_qa": BASELINE,
    "candidate": """
        __start__ > take
        take > ask answer reject __end__
        ask > gate __end__
        answer > gate __end__
        gate > checks score reject
        checks > score reject
        score > approve admit reject __end__
        approve > admit approve reject __end__
        admit > take reject
        reject > take
    """,
    "corpus": """
        __start__ > open
        open > chain
        chain > chain close
        close > __end__
    """,
    "active": """
        __start__ > open
        open > score_seeds close
        score_seeds > select close
        select > generate close
        generate > candidate document close
        candidate > score_children
        document > score_children
        score_children > fine_tune close
        fine_tune > evaluate close
        evaluate > score_seeds close
        close > __end__
    """,
    "softsrv": """
        __start__ > contexts
        contexts > sample close
        sample > postprocess close
        postprocess > candidate close
        candidate > close
        close > __end__
    """,
}
"""What each graph's code can do; type checkers hold every `goto` against the node's type."""


async def nothing(_context: RunContext | None) -> Workspace:
    raise AssertionError("a graph is drawn without a workspace")


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_drawn_with_the_edges_that_it_has(name: str) -> None:
    drawn = defaultdict(set)
    for edge in GRAPHS[name](nothing).compile().get_graph().edges:
        drawn[edge.source].add(edge.target)
    lines = (line.split(" > ") for line in EDGES[name].strip().splitlines())
    assert drawn == {source.strip(): set(targets.split()) for source, targets in lines}


def test_no_graph_keeps_destinations_by_hand() -> None:
    folder = Path(__file__).parents[2] / "graphs"
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "destinations=" not in text, path
        assert not re.search(r"\bCommand\[Any\](?!\")", text), path
        if path.name != "nodes.py":  # subgraphs have no type of their own
            added = re.findall(r"graph\.add_node\(\s*(\S+)", text)
            assert set(added) <= {'"candidate",'}, path


class State(TypedDict, total=False):
    went: str


async def here(_state: State) -> Command[Literal["there"]]:
    return Command(goto="elsewhere")  # type: ignore[arg-type]


async def sends(_state: State) -> Command[Literal["there"]]:
    return Command(goto=[Send("elsewhere", {})])


async def says_nothing(_state: State) -> State:
    return Command(goto="there")  # type: ignore[return-value]


async def names_none(_state: State) -> Command[Any]:
    return Command(goto="there")


async def arrived(_state: State) -> State:
    return State(went="on")


@pytest.mark.parametrize("node", [here, sends, says_nothing])
async def test_a_node_goes_only_where_its_type_says(node: Any) -> None:
    graph = StateGraph(State)
    add_node(graph, "here", node)
    add_node(graph, "there", arrived)
    add_node(graph, "elsewhere", arrived)
    graph.add_edge(START, "here")
    with pytest.raises(TypeError, match="node 'here' goes to"):
        await graph.compile().ainvoke({})


def test_a_command_must_name_where_it_goes() -> None:
    with pytest.raises(TypeError, match="names_none"):
        add_node(StateGraph(State), "here", names_none)
