"""Checks between gate and admission, one file each, called by the file's name.

    # my_checks/no_questions.py
    from metasynth.graphs.admission.check import check
    from metasynth.graphs.admission.draft import Verdict

    @check
    def no_questions(record):
        if record.body.rstrip().endswith("?"):
            return Verdict("no_questions", "ends with a question")
        return Verdict()

A run file names those it wants: `gate: {checks: [no_questions]}`. They see what has passed the
gate, in the order of the run file, and the first that refuses decides.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, overload

from metasynth.errors import MetaSynthError
from metasynth.records.record import Record
from metasynth.registry import Registry

from .draft import Verdict

Check = Callable[[Record], Verdict | Awaitable[Verdict]]
"""Says of a record, as it would enter the corpus, whether it may; code and detail where not."""

AnyCheck = TypeVar("AnyCheck", bound=Check)

CHECKS: Registry[Check] = Registry("check", "metasynth.graphs.admission.checks")


@overload
def check(function: AnyCheck) -> AnyCheck: ...
@overload
def check(*, name: str) -> Callable[[AnyCheck], AnyCheck]: ...
def check(
    function: AnyCheck | None = None, *, name: str | None = None
) -> AnyCheck | Callable[[AnyCheck], AnyCheck]:
    """Make a function a check, called by its file's name.

    Args:
        function: It may be async; one that is not runs in a thread.
        name: Another name than the file's, as in a notebook.

    Raises:
        RequestError: There is one of this name (code `taken_part`).
    """

    def add(function: AnyCheck) -> AnyCheck:
        CHECKS.add(function, module=function.__module__, name=name)
        return function

    return add if function is None else add(function)


async def run_checks(names: Sequence[str], record: Record) -> Verdict:
    """What the first check says that refuses a record; a verdict that passes where none does.

    Raises:
        RequestError: There is no such check, or its file cannot be imported.
        MetaSynthError: A check failed, or gave something else than a verdict (code
            `failed_check`).
    """
    for name in names:
        function = await asyncio.to_thread(CHECKS.__getitem__, name)  # may import a file
        verdict = await _run(name, function, record)
        if not verdict.passed:
            return verdict
    return Verdict()


async def _run(name: str, function: Check, record: Record) -> Verdict:
    try:
        if inspect.iscoroutinefunction(function):
            verdict = await function(record)
        else:
            verdict = await asyncio.to_thread(function, record)
    except MetaSynthError:
        raise
    except Exception as error:  # a defect of somebody's code, told as such
        raise MetaSynthError(
            f"check {name} failed: {type(error).__name__}: {error}", code="failed_check"
        ) from error
    if not isinstance(verdict, Verdict):
        raise MetaSynthError(
            f"check {name}: gave {type(verdict).__name__}, not a Verdict", code="failed_check"
        )
    return verdict
