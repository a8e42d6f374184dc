"""The commands, and what the user is told when one fails."""

import errno
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from metasynth.errors import MetaSynthError
from metasynth.redaction import Redactor
from metasynth.version import code_version

from . import explain, export, graph, mix, report, run, schema, trace
from .doctor import commands as doctor
from .eval import commands as evaluation
from .roles import commands as roles
from .softsrv import commands as softsrv
from .student import commands as student
from .studio import commands as studio

_INTERRUPTED = 130
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
_DISK_WORDS = ("No space left on device", "disk is full", "os error 28", "disk I/O error")

app = typer.Typer(
    name="metasynth",
    help="Agents that write training data for language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"metasynth {code_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say which")
    ] = False,
) -> None:
    """Agents that write training data for language models."""


run.register(app)
explain.register(app)
export.register(app)
mix.register(app)
graph.register(app)
doctor.register(app)
report.register(app)
schema.register(app)
trace.register(app)
studio.register(app)
app.add_typer(roles.app, name="roles")
app.add_typer(softsrv.app, name="softsrv")
app.add_typer(student.app, name="student")
app.add_typer(evaluation.app, name="eval")


def main() -> None:
    """Run the command line; see the design for what each exit status means."""
    sys.exit(guarded(lambda: app(prog_name="metasynth", standalone_mode=False)))


def guarded(command: Callable[[], object]) -> int:
    """Carry out `command` and turn what it raises into one line and an exit status."""
    try:
        status = command()
    except MetaSynthError as error:
        _tell(error.message, error.hint)
        return error.exit_status
    except TyperException as error:
        _tell_usage(error.format_message())
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        status = _INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        if not (problem := _of_the_disk(error)):
            raise
        _tell(problem, "make room, or mend what is named; the same command goes on")
        return 1
    if status == _INTERRUPTED:  # what typer makes of an interrupt: a status without a word
        _tell("interrupted", None)
    return status if isinstance(status, int) else 0


def _of_the_disk(error: BaseException) -> str:
    """What the disk refuses, whoever wrote; "" where it is something else."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _DISK:
            return f"{seen.filename or 'a file'}: cannot be written ({seen.strerror})"
        first = str(seen).partition("\n")[0]
        if any(words in first for words in _DISK_WORDS):  # of libraries that are not Python's
            return f"a file cannot be written ({first})"
        seen = seen.__cause__ or seen.__context__
    return ""


def _tell(message: str, hint: str | None) -> None:
    """One line without a secret, whatever the message quotes."""
    text = f"error: {message}; {hint}" if hint else f"error: {message}"
    shown = Redactor(os.environ, {}).text(" ".join(text.split()))
    print(shown, file=sys.stderr)  # noqa: T201 - this is the place that prints


def _tell_usage(message: str) -> None:
    if "\n" in message:  # a group that was called without a command shows its help
        print(message, file=sys.stderr)  # noqa: T201
    else:
        _tell(message.rstrip("."), "see --help")
