"""`doctor`."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.cli.screen.options import RolesOption, SetOption, with_roles
from metasynth.cli.screen.terminal import tell
from metasynth.errors import RequestError
from metasynth.version import code_version

if TYPE_CHECKING:
    from .findings import Report

_NEUTRAL = ("several_calls", "thinking")
_MARKS = {"yes": "✓", "no": "✗", "refused": "–", "not sent": "–", "unknown": "?"}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("doctor")(doctor)


def doctor(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG]", help="ask this run file's models what they take"),
    ] = None,
    set_: SetOption = None,
    roles: RolesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs; CONFIG alone")] = False,
) -> int:
    """Say what is installed, or ask each model of a run file as the run will; 1 where it cannot."""
    if config is None:
        if as_json:
            raise RequestError("--json: give a run file", code="missing_file")
        from .machine import report_machine

        return 0 if report_machine() else 1
    if not config.exists():
        raise RequestError(f"{config}: no such file", code="missing_file")
    reports = _reports(config, set_ or [], roles or [])
    works = all(report.works for report in reports)
    if as_json:
        told = {
            "version": code_version(),
            "works": works,
            "models": [report.as_json() for report in reports],
        }
        tell(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        for report in reports:
            _print(report)
    return 0 if works else 1


def _reports(config: Path, overrides: list[str], roles: list[str]) -> "list[Report]":
    from metasynth.compose.plan import plan_run
    from metasynth.config.file import load_run_config

    from .examination import examine

    plan = plan_run(with_roles(load_run_config(config, overrides), roles))
    return asyncio.run(examine(plan, config, overrides))


def _print(report: "Report") -> None:
    where = f" at {report.address}" if report.address else " in this process"
    tell(f"{', '.join(report.parts)}: {report.model}{where if not report.code else ''}")
    for name, finding in report.findings.items():
        mark = _MARKS.get(str(finding.value), "✓")
        if name in _NEUTRAL and finding.value == "no":
            mark = "–"
        text = f"  {mark} {name.replace('_', ' '):<16} {finding.value}"
        tell(f"{text}, {finding.words}" if finding.words else text)
    for change, words in report.adapted.items():
        tell(f"  adapted: {change}" + (f" (“{words}”)" if words else ""))
    for problem in report.problems:
        tell(f"  {'✗' if problem.fatal else '!'} {problem}")
    if report.calls:
        tell(f"  {report.calls} calls, {report.tokens:,} tokens")
