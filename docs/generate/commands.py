"""The page of the commands, from the application that parses them."""

import inspect
from collections.abc import Iterator
from typing import Any, cast

import typer

from metasynth.cli.main import app

from .markdown import code, table

_HEAD = """\
# Commands

Results go to stdout, progress and logs to stderr. Exit status: 0 done, 1 it failed, 2 the request
was wrong (one line says what and where), 130 interrupted (the same command resumes). Every command
explains itself with `--help`.
"""


def commands_page() -> str:
    """All commands with their arguments and options."""
    return "\n".join([_HEAD, *_sections(typer.main.get_command(app), "metasynth", level=1)])


def _sections(command: Any, name: str, *, level: int) -> Iterator[str]:
    """A command's section and those of its commands."""
    if level > 1:
        yield f"{'#' * level} `{name}`\n"
        yield inspect.cleandoc(command.help or "") + "\n"
    for child_name, child in getattr(command, "commands", {}).items():
        yield from _sections(child, f"{name} {child_name}", level=level + 1)
    if not hasattr(command, "commands"):
        yield _usage(command, name)
        yield _parameters(command)


def _usage(command: Any, name: str) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    return f"```text\n{name} {' '.join(command.collect_usage_pieces(context))}\n```\n"


def _parameters(command: Any) -> str:
    context = command.make_context("", [], resilient_parsing=True)
    rows = [cast(tuple[str, str] | None, p.get_help_record(context)) for p in command.params]
    shown = [row for row in rows if row is not None]
    return table(("argument or option", "what"), ((code(left), right) for left, right in shown))
