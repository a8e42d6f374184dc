"""What is wrong with the template in a role's instructions, before a run needs it."""

from collections.abc import Iterator
from types import TracebackType

from jinja2 import TemplateError, meta, nodes

from metasynth.sandbox import fill, parsed

from .role import EXAMPLES, VARIABLES


def template_problems(source: str) -> list[tuple[int | None, str]]:
    """A template must parse, mention known variables only, and render.

    Returns:
        Each problem with its row in the template, where it is known; the first is 1.
    """
    try:
        unknown = list(_unknown_variables(parsed(source)))
    except TemplateError as error:
        return [(getattr(error, "lineno", None), _first_line(error))]
    if unknown:
        return unknown
    # a persona and a genre may be empty, and so may a domain's description
    empty = {name: value if name == "max_words" else "" for name, value in EXAMPLES.items()}
    for variables in (EXAMPLES, empty):
        try:
            fill(source, variables)
        except Exception as error:  # a template may divide by zero
            return [(_row_of(error.__traceback__), _first_line(error))]
    return []


def _unknown_variables(tree: nodes.Template) -> Iterator[tuple[int | None, str]]:
    names = meta.find_undeclared_variables(tree) - set(VARIABLES)
    told: set[str] = set()
    for node in tree.find_all(nodes.Name):
        if node.name in names - told:
            told.add(node.name)
            yield (
                node.lineno,
                f"unknown variable {node.name!r}; known are {', '.join(VARIABLES)}",
            )


def _row_of(traceback: TracebackType | None) -> int | None:
    """The row of the template at which rendering stopped; Jinja2 puts it into the traceback."""
    row = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            row = traceback.tb_lineno
        traceback = traceback.tb_next
    return row


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
