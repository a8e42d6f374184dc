"""The stage that tests the student: before the first round and after each."""

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metasynth.blocking import Check
from metasynth.config.student import ScoringConfig
from metasynth.graphs.scoring.resources import Resources
from metasynth.student.rounds_folder import RoundFolder, write_json

from . import figures
from .scores import resumed_scores
from .workspace import ActiveWorkspace

if TYPE_CHECKING:
    from metasynth.student.scoring.measures import Scored


async def evaluate_student(workspace: ActiveWorkspace, number: int, check: Check) -> int:
    """Measure the student after round `number`: right answers, and the loss on the given ones.

    Returns:
        How many test rows there are.

    Raises:
        BudgetEndedError: `check` raised it; what is measured is kept.
    """
    plan, rounds = workspace.plan, workspace.rounds
    test, folder = plan.settings.test, rounds.folder.round(number)
    if plan.test is None or test is None:
        return 0
    rows = list(plan.test.rows)
    if await asyncio.to_thread(_is_measured, folder):
        return len(rows)
    lm = await asyncio.to_thread(rounds.students.after, number)
    wrong = ScoringConfig(criterion="wrong", max_new_tokens=test.max_new_tokens)
    gold = ScoringConfig(criterion="loss_gold")
    resources = Resources(checker=plan.checker)
    answers, losses = [
        await resumed_scores(path, lm, rows, config, seed=0, check=check, resources=resources)
        for path, config in ((folder.answers, wrong), (folder.losses, gold))
    ]
    seed = workspace.seed_for("loss")
    evaluation = {
        "student": rounds.students.name_after(number),
        "rows": len(rows),
        "checker": test.checker,
        **await asyncio.to_thread(_measures, answers, losses, seed),
    }
    await asyncio.to_thread(write_json, folder.evaluation, evaluation)
    return len(rows)


def _measures(answers: "Sequence[Scored]", losses: "Sequence[Scored]", seed: int) -> dict[str, Any]:
    import numpy as np

    from metasynth.student.intervals import bootstrap, share

    wrong = [one.score for one in answers if one.score is not None]
    right = len(wrong) - round(sum(wrong))
    known = np.array([one.score for one in losses if one.score is not None])
    loss = bootstrap(
        lambda drawn: float(known[drawn].mean()) if len(known) else math.nan,
        len(known),
        seed=seed,
        bounds=(0.0, math.inf),
    )
    return {
        "right": right,
        "checked": len(wrong),
        "accuracy": figures.numbers(share(right, len(wrong))),
        "unchecked": figures.score_summary(answers)["unscored"],
        "loss": figures.numbers(loss),
        "unscored": figures.score_summary(losses)["unscored"],
    }


def _is_measured(folder: RoundFolder) -> bool:
    folder.make()
    return folder.evaluation.exists()
