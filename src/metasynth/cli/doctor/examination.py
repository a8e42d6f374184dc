"""All models of a run examined at once, within its budget."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from metasynth.agents.models.openai.chat import OpenAIChat
from metasynth.compose.asked_models import AskedModel, asked_models
from metasynth.compose.plan import RunPlan, roles_of
from metasynth.compose.prices import prices_of
from metasynth.config.lines import place_of
from metasynth.errors import ModelCallError
from metasynth.graphs.run.budget import Budget
from metasynth.graphs.run.calls import Caller
from metasynth.memory.ledger import Ledger
from metasynth.memory.recorder import CallRecorder

from .findings import Problem, Report
from .interview import Answers, Interview
from .reading import findings_of
from .verdict import advice_on

_MOST_CALLS = 12  # of one model; eight questions, and the tries of those answered with nothing


async def examine(plan: RunPlan, path: Path, overrides: Sequence[str] = ()) -> list[Report]:
    """Ask each distinct model of a run what it takes; nothing is kept.

    Args:
        plan: The run.
        path: Its file, whose lines are named.
        overrides: `--set` of the command.
    """
    config, models = plan.config, asked_models(plan)
    most = min(config.budget.calls or _MOST_CALLS * len(models), _MOST_CALLS * len(models))
    with (
        tempfile.TemporaryDirectory(prefix="metasynth-doctor-") as folder,
        Ledger(Path(folder) / "ledger.sqlite") as ledger,
    ):
        caller = Caller(
            ledger,
            CallRecorder(ledger, prices=prices_of(config)),
            Budget(config.budget.model_copy(update={"calls": most}), ledger.totals),
            random_seed=config.random_seed,
        )
        roles = roles_of(config, plan.roles)
        reports = []
        interviews = [Interview(model, config, roles, caller, ledger) for model in models]
        heard = await asyncio.gather(*(interview.answers() for interview in interviews))
        for model, answers in zip(models, heard, strict=True):
            reports.append(await _report(model, answers, plan, path, overrides))
    return reports


async def _report(
    model: AskedModel, heard: Answers, plan: RunPlan, path: Path, overrides: Sequence[str]
) -> Report:
    findings = findings_of(heard, model.settings)
    advice = advice_on(model, heard, findings, plan.config, await _offered(heard))
    return Report(
        parts=model.parts,
        model=model.settings.model,
        address=heard.address,
        findings=findings,
        adapted=heard.adapted,
        problems=[
            Problem(
                each.text, each.key, each.value, place_of(path, each.key, overrides), each.fatal
            )
            for each in advice
        ],
        code=heard.error.code if heard.error is not None else "",
        calls=heard.used.calls,
        tokens=heard.used.tokens,
    )


async def _offered(heard: Answers) -> tuple[str, ...]:
    """The models that an endpoint has, where its answer was that it has not this one."""
    chat = heard.voice.model if heard.voice is not None else None
    if heard.error is None or not isinstance(chat, OpenAIChat):
        return ()
    try:
        return tuple(await chat.offered_models())
    except ModelCallError:
        return ()  # it lists none
