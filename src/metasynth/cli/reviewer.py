"""The person at the terminal decides about drafts, one at a time."""

import asyncio
import os
import sys
import termios
from typing import Any

import typer

from metasynth.cli.screen.receipt import facts_of
from metasynth.cli.screen.terminal import tell
from metasynth.errors import RequestError, RunInterruptedError
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record

from .editor import UnusableEditError, as_editable, edit, from_editable

_PROMPTS = {
    "accept": "[a]ccept",
    "edit": "[e]dit",
    "reject": "[r]eject",
    "send_back": "[s]end back",
    "quit": "[q]uit",
}


def check_terminal() -> None:
    """Nobody can be asked where stdin is no terminal.

    Raises:
        RequestError: It is none.
    """
    if not sys.stdin.isatty():
        raise RequestError(
            "review: stdin is no terminal, so nobody can be asked",
            hint="start the command in a terminal, or give --no-review",
            code="no_terminal",
        )


class TerminalReviewer:
    """Shows a draft with what gate, checker and student say of it, and reads the answer.

    Args:
        workspace: The run's.
        source: File descriptor that answers are read from.
    """

    def __init__(self, workspace: Workspace, *, source: int = 0) -> None:
        self._workspace = workspace
        self._source = source
        self._waiting = 0
        self._one_at_a_time = asyncio.Lock()
        self._read = b""

    async def __call__(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question about a draft; see `metasynth.graphs.tail.approval`.

        Raises:
            RunInterruptedError: The person ends the run.
        """
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await self._ask(question)
        finally:
            self._waiting -= 1

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        record = Record.model_validate(question["draft"])
        self._show(record, question.get("last_try") or {})
        start = as_editable(question.get("last_try") or {}) or as_editable(question["draft"])
        asked = [*question["decisions"], "quit"]
        self._forget_what_was_typed()
        while True:
            word = await self._line(" ".join(_PROMPTS[name] for name in asked) + " > ")
            decision = next((name for name in asked if word and name.startswith(word)), "")
            match decision:
                case "accept":
                    return {"decision": decision}
                case "reject":
                    note = await self._line("why? (empty: no reason) > ")
                    return {"decision": decision, "note": note}
                case "send_back":
                    if note := await self._line("what shall be better? > "):
                        return {"decision": decision, "note": note}
                case "edit":
                    try:
                        edited = await edit(start)
                        if edited == start and not question.get("last_try"):
                            tell("nothing was changed", err=True)
                            continue
                        start = edited
                        return {"decision": decision, **from_editable(edited, question["draft"])}
                    except UnusableEditError as problem:
                        start = problem.text or start
                        tell(str(problem), err=True)
                case "quit":
                    raise _ended()
                case _:
                    tell(f"one letter of {', '.join(asked)}", err=True)

    def _forget_what_was_typed(self) -> None:
        """What was typed before a draft was shown was not meant for it; a file is read on."""
        if os.isatty(self._source):
            self._read = b""
            termios.tcflush(self._source, termios.TCIFLUSH)

    def _show(self, record: Record, last_try: dict[str, Any]) -> None:
        corpus, goal = self._workspace.corpus, self._workspace.config.budget.records
        others = f", {self._waiting - 1} more wait" if self._waiting > 1 else ""
        tell(f"\n── {record.id}: {corpus.accepted} of {goal} accepted{others} ──\n", err=True)
        tell(record.body + "\n", err=True)
        for label, value in facts_of(record):
            if value:
                tell(f"  {label:<12} {value}", err=True)
        if last_try:
            tell(f"\nyour last answer was not taken: {last_try['refused']}", err=True)

    async def _line(self, prompt: str) -> str:
        """A line of the person; read without a thread, which could not be stopped."""
        typer.echo(prompt, nl=False, err=True)
        loop = asyncio.get_running_loop()
        while b"\n" not in self._read:
            ready = asyncio.Event()
            loop.add_reader(self._source, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(self._source)
            if not (found := os.read(self._source, 4096)):
                typer.echo(err=True)
                raise _ended()
            self._read += found
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace").strip()


def _ended() -> RunInterruptedError:
    return RunInterruptedError("ended before all drafts were decided", hint="the same command asks")
