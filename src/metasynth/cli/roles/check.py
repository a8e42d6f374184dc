"""`roles check`: everything that is wrong with role files, at once."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.cli.screen.terminal import tell
from metasynth.errors import RequestError

if TYPE_CHECKING:
    from metasynth.agents.role_check import Checked, Finding


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("check")(check)


def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…")],
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> int:
    """Check role files, or directories of them, and name every problem with file and line."""
    from metasynth.agents.role_check import check_roles

    checked = check_roles(paths)
    if not checked.files:
        raise RequestError(f"no role files in {', '.join(map(str, paths))}", code="no_roles")
    if as_json:
        tell(json.dumps(_data(checked), indent=1, ensure_ascii=False))
    else:
        _print(checked)
    return RequestError.exit_status if checked.problems else 0


def _print(checked: "Checked") -> None:
    for note in checked.notes:
        tell(f"{note}")
    for problem in checked.problems:
        tell(f"error: {problem}", err=True)
    if not checked.problems:
        tell("1 role is fine" if checked.files == 1 else f"{checked.files} roles are fine")
        return
    if len(checked.problems) > 1:
        wrong = len({problem.path for problem in checked.problems})
        tell(f"{len(checked.problems)} problems in {wrong} of {checked.files} files", err=True)


def _data(checked: "Checked") -> dict[str, object]:
    return {
        "files": checked.files,
        "problems": [_finding(problem) for problem in checked.problems],
        "notes": [_finding(note) for note in checked.notes],
    }


def _finding(finding: "Finding") -> dict[str, object]:
    return {**asdict(finding), "path": str(finding.path)}
