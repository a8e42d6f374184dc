"""The student on the test rows, before the first round and after each."""

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metasynth.blocking import Check
from metasynth.config.student import ScoringConfig
from metasynth.student.rounds_folder import RoundFolder, RoundsFolder, write_json

from . import figures
from .plan import ActivePlan
from .scores import Helpers, kept_scores
from .students import RoundStudents

if TYPE_CHECKING:
    from metasynth.student.scoring.measures import Scored


class RoundTests:
    """Measures students: the share of right answers, and the loss on the given ones.

    Args:
        plan: What the run file says.
        folder: Where rounds lie.
        students: What is measured.
        seed: Of the bootstrap.
    """

    def __init__(
        self, plan: ActivePlan, folder: RoundsFolder, students: RoundStudents, *, seed: int
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._students = students
        self._seed = seed

    async def measure(self, number: int, check: Check) -> int:
        """Measure the student after round `number`; on how many rows."""
        test, folder = self._plan.settings.test, self._folder.round(number)
        if self._plan.test is None or test is None:
            return 0
        rows = list(self._plan.test.rows)
        if not await asyncio.to_thread(_is_measured, folder):
            lm = await asyncio.to_thread(self._students.after, number)
            wrong = ScoringConfig(criterion="wrong", max_new_tokens=test.max_new_tokens)
            gold = ScoringConfig(criterion="loss_gold")
            helpers = Helpers(checker=self._plan.checker)
            answers, losses = [
                await kept_scores(path, lm, rows, config, seed=0, check=check, helpers=helpers)
                for path, config in ((folder.answers, wrong), (folder.losses, gold))
            ]
            await asyncio.to_thread(self._write, folder, answers, losses, number)
        return len(rows)

    def _write(
        self,
        folder: RoundFolder,
        answers: "Sequence[Scored]",
        losses: "Sequence[Scored]",
        number: int,
    ) -> None:
        write_json(folder.evaluation, self._told(answers, losses, number))

    def _told(
        self, answers: "Sequence[Scored]", losses: "Sequence[Scored]", number: int
    ) -> dict[str, Any]:
        import numpy as np

        from metasynth.student.intervals import bootstrap, share

        assert self._plan.settings.test is not None
        wrong = [one.score for one in answers if one.score is not None]
        known = np.array([one.score for one in losses if one.score is not None])
        loss = bootstrap(
            lambda drawn: float(known[drawn].mean()) if len(known) else math.nan,
            len(known),
            seed=self._seed,
            bounds=(0.0, math.inf),
        )
        return {
            "student": self._students.name(number),
            "rows": len(answers),
            "checker": self._plan.settings.test.checker,
            "right": len(wrong) - round(sum(wrong)),
            "checked": len(wrong),
            "accuracy": figures.numbers(share(len(wrong) - round(sum(wrong)), len(wrong))),
            "unchecked": figures.of_scores(answers)["unscored"],
            "loss": figures.numbers(loss),
            "unscored": figures.of_scores(losses)["unscored"],
        }


def _is_measured(folder: RoundFolder) -> bool:
    folder.make()
    return folder.evaluation.exists()
