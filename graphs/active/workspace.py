"""What the nodes of the graph active work with, and the round in work."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.graphs.questions.workspace import QuestionWorkspace, extended
from metasynth.graphs.run.progress import Progress
from metasynth.graphs.scoring.resources import Resources, resources_for
from metasynth.graphs.scoring.students import Students
from metasynth.graphs.seeding.seeding import GivenSeeds
from metasynth.graphs.softsrv.plan import SoftSRVPlan
from metasynth.graphs.softsrv.workspace import open_steering
from metasynth.graphs.workspace import Workspace
from metasynth.randomness import derive_seed
from metasynth.records.record import Record
from metasynth.records.rundir import RunDirectory
from metasynth.student.rounds_folder import RoundFolder, RoundsFolder
from metasynth.student.selection.strategy import STRATEGIES

from .contexts import Steered
from .plan import ActivePlan
from .rows import Selected, seed_of_chain, with_seed

if TYPE_CHECKING:
    from metasynth.student.scoring.measures import Scored


class Rounds:
    """The round in work: all that changes while the graph runs.

    Args:
        folder: RUN/student.
        students: Of the run; the one in use follows the round.

    Attributes:
        scored: The pool's scores in this round; empty where nothing is chosen by scores.
        selected: What its rows are asked for with.
        progress: What the stage in work computes.
    """

    def __init__(self, folder: RoundsFolder, students: Students) -> None:
        self.folder = folder
        self.students = students
        self.scored: list[Scored] = []
        self.selected: list[Selected] = []
        self.progress = Progress()

    @property
    def number(self) -> int:
        """The round in work, from 1 up."""
        return self.students.round

    @property
    def here(self) -> RoundFolder:
        """Its folder."""
        return self.folder.round(self.number)

    def turn_to_next(self, rounds: int) -> bool:
        """Turn to the first of so many rounds that is not done; False where all are. Reads files.

        The student in use is then the one that the round before left.
        """
        numbers = range(1, rounds + 1)
        undone = next((n for n in numbers if not self.folder.round(n).is_whole), None)
        self.students.round = undone or 0
        self.scored, self.selected = [], []
        return undone is not None


@dataclass(frozen=True, eq=False, kw_only=True)
class ActiveWorkspace(QuestionWorkspace):
    """A run of the graph active.

    Attributes:
        plan: What the run file says.
        rounds: The round in work.
        resources: What the pool's criterion needs besides the student.
        steered: SoftSRV, where it makes the questions.
    """

    plan: ActivePlan
    rounds: Rounds
    resources: Resources
    steered: Steered | None

    @property
    def asked(self) -> int:
        """Rows that the round in work asks for."""
        return self.plan.settings.plan[self.rounds.number - 1]

    @property
    def goes_by_scores(self) -> bool:
        """Whether anything is chosen by scores: in the arms that compare, nothing is."""
        if self.plan.settings.arm != "active":
            return False
        if self.steered is not None:
            return self.steered.goes_by_scores
        return bool(STRATEGIES[self.plan.choice.selection.strategy].needs)

    @property
    def activity(self) -> list[tuple[str, str]]:
        """The stage of the round, and what SoftSRV makes ready, before what every run shows."""
        softsrv = self.steered.steering.progress.text if self.steered is not None else ""
        stage = self.rounds.progress.text
        rounds = f"round {self.rounds.number}: {stage}" if stage else ""
        own = [("softsrv", softsrv), ("rounds", rounds)]
        return [*((label, text) for label, text in own if text), *super().activity]

    def with_lineage(self, record: Record) -> Record:
        """The record with its seeds, contexts, and the seed's score."""
        return with_seed(
            record,
            self.rounds.selected,
            number=self.rounds.number,
            criterion=self.plan.choice.scoring.criterion,
            sampled=self.steered is not None,
        )

    def chain_at(self, place: int) -> str:
        """The chain of the row at a place: a conductor's row has one of its own."""
        chain = f"r{self.rounds.number:02d}"
        return f"{chain}s{place:03d}" if self.plan.conducts else chain

    def id_at(self, place: int) -> str:
        """The id of the record of the row at a place."""
        return self.record_id(self.chain_at(place), 1 if self.plan.conducts else place)

    def rows_have_ended(self) -> bool:
        """Whether every row that the round asks for has ended, as `has_ended` says."""
        return all(self.has_ended(self.id_at(place)) for place in range(1, self.asked + 1))

    def seed_for(self, *names: str | int) -> int:
        """The seed of a draw that these names tell from all others."""
        return derive_seed(self.config.random_seed, "active", *names)


def open_active(
    plan: ActivePlan,
    softsrv: SoftSRVPlan | None,
    directory: RunDirectory,
    workspace: Workspace,
    students: Students,
    stack: ExitStack,
) -> ActiveWorkspace:
    """The workspace of the graph active; no model is loaded yet.

    Args:
        softsrv: What makes the questions, where SoftSRV does.
        students: Of the run, on RUN/student.
        stack: What is opened is closed with it.

    Raises:
        RequestError: What lies in RUN/softsrv cannot be read.
    """
    folder = RoundsFolder(Path(directory.student))
    folder.claim(workspace.identity)
    rounds = Rounds(folder, students)
    steered = None
    if plan.settings.generate == "softsrv":
        assert softsrv is not None, "the run file was refused without it"
        steering, _ = open_steering(softsrv, directory.softsrv, workspace.config, stack)
        steered = Steered(
            plan.settings, plan.choice, steering, softsrv.templates, workspace.config.random_seed
        )
    seeds = workspace.seeds
    if plan.conducts:
        seeds = GivenSeeds(lambda chain: seed_of_chain(chain, plan.pool, rounds.selected))
    return extended(
        workspace,
        ActiveWorkspace,
        seeds=seeds,
        plan=plan,
        rounds=rounds,
        resources=resources_for(
            plan.choice.scoring,
            plan.student,
            caller=workspace.caller,
            teacher=workspace.voices.experts,
            checker=plan.checker,
        ),
        steered=steered,
    )
