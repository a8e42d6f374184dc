"""Nodes whose types say where they go: edges are drawn from them, and checked against them.

LangGraph draws the edges of a node from its return annotation, `Command[Literal["a", "b"]]`, and
believes it. Here a node that goes anywhere else is an error, so a graph is drawn as it runs.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from langgraph.graph import StateGraph
from langgraph.types import Command as LangGraphCommand
from langgraph.types import Send

END: Final = "__end__"
"""LangGraph's END, which is a plain string there and so fits no Literal."""

if TYPE_CHECKING:
    Name_co = TypeVar("Name_co", bound=str, covariant=True)

    @dataclass(frozen=True)
    class Command(Generic[Name_co]):
        """LangGraph's `Command` for type checkers, covariant in the names of nodes.

        There it is invariant, and a helper that goes to `reject` could not be used by a node that
        goes to `reject` or `score`.
        """

        update: Mapping[str, Any] = field(default_factory=dict)
        goto: Name_co | Sequence[Send] = ()
else:
    Command = LangGraphCommand

Targets = Mapping[str, Sequence[str]]
"""What type variables stand for, by name, in the annotations of nodes that graphs share."""


def add_node(
    graph: StateGraph[Any, Any, Any, Any],
    name: str,
    node: Callable[..., Awaitable[Any]],
    *,
    targets: Targets | None = None,
    **options: Any,
) -> None:
    """Add a node that may go where its return annotation says, and nowhere else.

    Args:
        node: An async function; what it returns is a `Command[Literal[...]]`, or an update.
        targets: See `Targets`.
        options: Of `StateGraph.add_node`.

    Raises:
        TypeError: The annotation is a `Command` that names no nodes. When the node runs: it goes to
            one that is not named.
    """
    allowed = destinations(node, targets)

    @functools.wraps(node)
    async def checked(*args: Any, **kwargs: Any) -> Any:
        result = await node(*args, **kwargs)
        if isinstance(result, LangGraphCommand):
            _check(name, result, allowed)
        return result

    if allowed:
        checked.__annotations__ = {
            **checked.__annotations__,
            "return": LangGraphCommand[Literal[allowed]],  # type: ignore[valid-type]
        }
    graph.add_node(name, checked, **options)


def destinations(node: Callable[..., Any], targets: Targets | None = None) -> tuple[str, ...]:
    """The nodes that a return annotation names, each once; () where it is no `Command`.

    Raises:
        TypeError: It is a `Command` that names none.
    """
    hint = get_type_hints(node).get("return")
    if hint is not LangGraphCommand and get_origin(hint) is not LangGraphCommand:
        return ()
    names = [name for part in get_args(hint) for name in _names(part, targets or {})]
    if not names:
        raise TypeError(f"{node.__qualname__}: say where it goes: Command[Literal[...]]")
    return tuple(dict.fromkeys(names))


def _names(hint: Any, targets: Targets) -> Sequence[str]:
    if isinstance(hint, TypeVar):
        return targets[hint.__name__]
    if get_origin(hint) is Literal:
        return get_args(hint)
    return [name for part in get_args(hint) for name in _names(part, targets)]


def _check(name: str, command: "LangGraphCommand[Any]", allowed: Sequence[str]) -> None:
    goto = command.goto if isinstance(command.goto, list | tuple) else (command.goto,)
    for target in goto:
        reached = target.node if isinstance(target, Send) else target
        if reached not in allowed:
            raise TypeError(
                f"node {name!r} goes to {reached!r}, and its type names {', '.join(allowed)}"
            )
