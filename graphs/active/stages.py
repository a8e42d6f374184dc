"""The rounds of a run: `metasynth.graphs.Rounds` in a run directory.

Every stage looks first at what its files hold. So a stage that was killed goes on, one that has
ended is not carried out again, and a run that was stopped anywhere ends as if it had not been (at
one chain; more of them share the teacher in another order).
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from metasynth.blocking import Check, in_thread
from metasynth.graphs.run.questions import Question
from metasynth.graphs.workspace import Workspace
from metasynth.randomness import derive_seed
from metasynth.student.rounds_folder import (
    RoundFolder,
    RoundsFolder,
    read_lines,
    write_json,
    write_lines,
)
from metasynth.student.selection.strategy import STRATEGIES

from . import figures
from .evaluation import RoundTests
from .plan import ActivePlan, problem_of
from .round_report import RoundTeller, records_of
from .rows import RowsOfRound
from .scores import Helpers, kept_scores
from .selection import Selected, select_seeds
from .students import RoundStudents
from .training import trained_rounds, training_of

if TYPE_CHECKING:
    from metasynth.student.rows import StudentRow
    from metasynth.student.scoring.measures import Scored

    from .sampling import RoundSampling


class Asked(NamedTuple):
    """A row's question, or the problem that it is asked for with."""

    text: str
    context_id: str


class ActiveRounds(RowsOfRound):
    """See `metasynth.graphs.Rounds`.

    Args:
        plan: What the run file says.
        folder: RUN/student.
        workspace: The run's.
        helpers: Whom the pool's criterion may ask.
        sampling: SoftSRV, where it makes the questions.
    """

    def __init__(
        self,
        plan: ActivePlan,
        folder: RoundsFolder,
        workspace: Workspace,
        *,
        helpers: Helpers,
        sampling: "RoundSampling | None" = None,
    ) -> None:
        super().__init__(plan, workspace, sampling)
        self._folder = folder
        self._helpers = helpers
        self._students = RoundStudents(plan.student, folder)
        self._tests = RoundTests(plan, folder, self._students, seed=self._seed_of("loss"))
        self._teller = RoundTeller(plan, folder, workspace, sampling)
        self._scored: list[Scored] = []

    async def open(self) -> bool:
        """See `Rounds.open`."""
        number = await asyncio.to_thread(self._first_open)
        self._number, self._scored, self._selected = number, [], []
        return number > 0

    async def score_seeds(self, check: Check) -> int:
        """See `Rounds.score_seeds`."""
        with self._at("scoring the pool"):
            await asyncio.to_thread(self._begin)
            if self._number == 1:
                await self._tests.measure(0, check)
            if self._goes_by_scores:
                self._scored = await self._scores(list(self._plan.pool.rows), check)
        return sum(one.score is not None for one in self._scored)

    async def select(self, check: Check) -> int:
        """See `Rounds.select`."""
        with self._at("choosing"):
            self._selected = await in_thread(self._chosen, check)
        return len({one.seed_ids for one in self._selected})

    async def generate(self, check: Check) -> Sequence[Question]:
        """See `Rounds.generate`."""
        places = range(1, self._asked + 1)
        if not all(self._workspace.has_ended(self._id(place)) for place in places):
            # what follows was made without these rows
            await asyncio.to_thread(self._here.reopen)
        if self._sampling is None:
            return [
                Asked(problem_of(self._seed(one.place)), one.seed_ids[0]) for one in self._selected
            ]
        with self._at("decoding"):
            return await self._sampling.questions(self._here, self._selected, self._number, check)

    async def score_children(self, check: Check) -> int:
        """See `Rounds.score_children`."""
        children = await asyncio.to_thread(self._admitted, self._number)
        if not (children and self._scored):
            return 0
        with self._at("scoring what was admitted"):
            rows = [*self._plan.pool.rows, *children]
            scored = await self._scores(rows, check, children=True)
        return sum(one.score is not None for one in scored)

    async def fine_tune(self, check: Check) -> int:
        """See `Rounds.fine_tune`."""
        with self._at("fine-tuning"):
            return await in_thread(self._train, check)

    async def evaluate(self, check: Check) -> int:
        """See `Rounds.evaluate`."""
        with self._at("measuring the student"):
            return await self._tests.measure(self._number, check)

    async def finish(self, stopped_because: str) -> None:
        """See `Rounds.finish`."""
        with self._at("writing the round down"):
            told = await asyncio.to_thread(
                self._teller.told,
                self._number,
                self._scored,
                self._selected,
                stopped_because=stopped_because,
            )
            await asyncio.to_thread(write_json, self._here.told, told)

    # how they are done

    @property
    def _here(self) -> RoundFolder:
        return self._folder.round(self._number)

    @property
    def _asked(self) -> int:
        return self._plan.settings.plan[self._number - 1]

    @property
    def _goes_by_scores(self) -> bool:
        """Whether anything is chosen by scores: in the arms that compare, nothing is."""
        if self._plan.settings.arm != "active":
            return False
        if self._sampling is not None:
            return self._sampling.goes_by_scores
        return bool(STRATEGIES[self._pool.selection.strategy].needs)

    def _at(self, stage: str) -> "_Stage":
        return _Stage(self, stage)

    def _seed_of(self, *names: str | int) -> int:
        return derive_seed(self._workspace.config.random_seed, "active", *names)

    def _first_open(self) -> int:
        """The first round that is not done; 0 where all are."""
        numbers = range(1, len(self._plan.settings.plan) + 1)
        return next((one for one in numbers if not self._folder.round(one).is_whole), 0)

    def _begin(self) -> None:
        """Make the round's folder ready, and let candidates be scored by whom chose the seeds."""
        folder = self._here
        folder.make()
        if folder.told.exists():
            folder.reopen()  # it was cut short, and goes on
        if not folder.began.exists():
            write_json(folder.began, figures.spent(self._workspace.ledger))
        if self._workspace.screen is not None:
            before = self._number - 1
            name, load = self._students.name(before), self._students.loader(before)
            self._workspace.screen.use(load, model=name, round_=self._number)

    async def _scores(
        self, rows: "list[StudentRow]", check: Check, *, children: bool = False
    ) -> "list[Scored]":
        """Scores by the student that the round began with, of the pool or of what follows it."""
        lm = await asyncio.to_thread(self._students.after, self._number - 1)
        return await kept_scores(
            self._here.children if children else self._here.scores,
            lm,
            rows,
            self._pool.scoring,
            seed=self._seed_of("scores", self._number),
            check=check,
            helpers=self._helpers,
            first=len(self._plan.pool.rows) if children else 0,
        )

    def _chosen(self, check: Check) -> list[Selected]:
        if not self._here.selected.exists():
            chosen = self._choose(check)
            told = ({**one._asdict(), "text": self._text(one)} for one in chosen)
            write_lines(self._here.selected, told)
        return [Selected.of(told) for told in read_lines(self._here.selected)]

    def _choose(self, check: Check) -> list[Selected]:
        rows, scores = list(self._plan.pool.rows), None
        if self._goes_by_scores:
            known = {one.row_id: one.score for one in self._scored if one.score is not None}
            rows = [row for row in rows if row.id in known]
            scores = [known[row.id] for row in rows]
        if self._sampling is not None:
            before = sum(self._plan.settings.plan[: self._number - 1])
            return self._sampling.choose(
                self._here, rows, scores, self._asked, check, number=self._number, before=before
            )
        return select_seeds(
            rows,
            scores,
            self._asked,
            self._pool,
            load=self._students.loader(self._number - 1),
            taken=self._taken(),
            seed=self._seed_of("selection", self._number),
        )

    def _taken(self) -> "list[StudentRow]":
        """Seeds of the rounds before, each once."""
        ids = {
            told["seed_ids"][0]: None
            for number in range(1, self._number)
            for told in read_lines(self._folder.round(number).selected)
        }
        return [self._rows[id_] for id_ in ids]

    def _admitted(self, number: int) -> "list[StudentRow]":
        """What a round has given the corpus, in an order that does not depend on the chains.

        A conductor's gate knows nothing of the test rows: copies of them are left out here.
        """
        found = records_of(number, self._workspace.corpus.records())
        if self.conducts:
            found = [record for record in found if not self.contaminated(record.body)]
        return [self._row(record) for record in sorted(found, key=lambda record: record.id)]

    def _train(self, check: Check) -> int:
        from metasynth.student.training.fine_tuning import fine_tune

        rounds = trained_rounds(self._plan.student, self._number)
        rows = [row for number in rounds for row in self._admitted(number)]
        if not rows:
            return 0

        def on_step(done: int, total: int, loss: float) -> None:
            self._stage = f"fine-tuning, step {done} of {total}, loss {loss:.3f}"

        report = fine_tune(
            self._students.start_of(self._number),
            rows,
            training_of(self._plan.student, self._plan.settings, self._number),
            self._here.trained,
            seed=self._seed_of("training"),
            check=check,
            on_step=on_step,
        )
        return report.rows


class _Stage:
    """Tells whoever watches what is being done."""

    def __init__(self, rounds: ActiveRounds, stage: str) -> None:
        self._rounds, self._name = rounds, stage

    def __enter__(self) -> None:
        self._rounds._stage = self._name

    def __exit__(self, *_: object) -> None:
        self._rounds._stage = ""
