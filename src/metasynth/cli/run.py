"""`run`, `preview`, `validate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metasynth.errors import ConfigError

from .screen.options import ConfigArgument, RolesOption, SetOption, with_roles
from .screen.terminal import tell

if TYPE_CHECKING:
    from metasynth.compose.plan import RunPlan
    from metasynth.config.run import BudgetConfig, RunConfig


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("run")(run)
    app.command("preview")(preview)
    app.command("validate")(validate)


def run(
    config: ConfigArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="run directory [runs/NAME]")
    ] = None,
    set_: SetOption = None,
    roles: RolesOption = None,
    review: Annotated[
        bool | None,
        typer.Option("--review/--no-review", help="ask before each record enters the corpus"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no live progress")] = False,
) -> int:
    """Carry out a run, or go on with the one in its directory."""
    given = _load(config, set_, roles)  # first: what is wrong in it is told at once
    if review is not None:
        asked = given.review.model_copy(update={"ask": review})
        given = given.model_copy(update={"review": asked})
    if given.review.ask:
        from .reviewer import check_terminal

        check_terminal()
    from .execution import run_plan

    plan = _planned(given, config)
    return run_plan(plan, out or plan.config.default_directory, quiet=quiet)


def preview(
    config: ConfigArgument,
    records: Annotated[int, typer.Option("--records", min=1, help="how many to write")] = 3,
    set_: SetOption = None,
    roles: RolesOption = None,
) -> int:
    """Write a few records, keep nothing, and forecast what the whole run will cost."""
    given = _load(config, set_, roles)
    from .execution import print_preview

    return print_preview(_planned(given, config), records)


def validate(
    config: ConfigArgument,
    set_: SetOption = None,
    roles: RolesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> int:
    """Check a run file and all that it names, without starting anything."""
    from .screen.sources import print_seeds

    given = _load(config, set_, roles)
    plan = _planned(given, config)
    if as_json:
        tell(json.dumps(_facts(plan, config), indent=2, ensure_ascii=False))
        return 0
    tell(f"{config}: valid")
    tell(f"  graph      {plan.config.graph}")
    tell(f"  domain     {plan.config.domain.name}")
    print_seeds(plan)
    for part in (plan.softsrv, plan.active, plan.screening):
        for label, value in part.facts() if part else ():
            tell(f"  {label:<10} {value}")
    tell(f"  conductor  {plan.config.model_for('conductor').model}")
    tell(f"  experts    {plan.config.model_for('experts').model}")
    tell(f"  roles      {', '.join(plan.roles.names())}")
    if plan.plugins:
        parts = ", ".join(f"{part.kind} {part.name}" for part in plan.plugins)
        tell(f"  plugins    {parts}")
    tell(f"  budget     {_budget_told(plan.config.budget)}")
    tell(f"  identity   {plan.identity}")
    return 0


def _facts(plan: "RunPlan", path: Path) -> dict[str, Any]:
    """What `validate` says, for machines."""
    parts = (plan.softsrv, plan.active, plan.screening)
    return {
        "run_file": str(path),
        "graph": plan.config.graph,
        "domain": plan.config.domain.name,
        "seeds": len(plan.seeds),
        "files": [
            {"path": file.path, "kind": file.kind, "words": file.words, "chunks": file.chunks}
            for file in plan.sources.files
        ],
        "left_out": [
            {"path": str(file.path), "reason": file.reason} for file in plan.sources.left_out
        ],
        **{label: value for part in parts if part for label, value in part.facts()},
        "conductor": plan.config.model_for("conductor").model,
        "experts": plan.config.model_for("experts").model,
        "roles": plan.roles.names(),
        "plugins": [{"kind": part.kind, "name": part.name} for part in plan.plugins],
        "budget": plan.config.budget.model_dump(mode="json", exclude_none=True),
        "warnings": plan.warnings,
        "identity": plan.identity,
    }


def _budget_told(budget: "BudgetConfig") -> str:
    """All limits that are set, as `24 records, 200 calls`."""
    limits = {
        "records": budget.records,
        "calls": budget.calls,
        "tokens": budget.tokens,
        "minutes": budget.minutes,
        "dollars": budget.usd,
    }
    return ", ".join(f"{limit:,} {name}" for name, limit in limits.items() if limit is not None)


def _planned(config: "RunConfig", path: Path) -> "RunPlan":
    """The plan, whose warnings are told; what is wrong with it is told with the file's name."""
    from metasynth.compose.plan import plan_run

    try:
        plan = plan_run(config)
    except ConfigError as error:
        if str(path) in error.message:
            raise
        raise ConfigError(f"{path}: {error.message}", hint=error.hint, code=error.code) from None
    for warning in plan.warnings:
        typer.echo(f"warning: {warning}", err=True)
    return plan


def _load(config: Path, overrides: list[str] | None, roles: list[str] | None) -> "RunConfig":
    from metasynth.config.file import load_run_config

    return with_roles(load_run_config(config, overrides or ()), roles or ())
