"""The rounds joined to a run."""

from contextlib import ExitStack

from metasynth.graphs.active.plan import ActivePlan
from metasynth.graphs.active.sampling import RoundSampling
from metasynth.graphs.active.scores import Helpers
from metasynth.graphs.active.stages import ActiveRounds
from metasynth.graphs.scoring.scorer import ask_teacher
from metasynth.graphs.scoring.student import reward_loader
from metasynth.graphs.seeding.seeding import GivenSeeds
from metasynth.graphs.softsrv.plan import SoftSRVPlan
from metasynth.graphs.softsrv.steering import Steering
from metasynth.graphs.workspace import Workspace
from metasynth.records.rundir import RunDirectory
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.student.rounds_folder import RoundsFolder
from metasynth.student.scoring.criteria import CRITERIA


def attach_rounds(
    plan: ActivePlan,
    softsrv: SoftSRVPlan | None,
    directory: RunDirectory,
    workspace: Workspace,
    stack: ExitStack,
) -> None:
    """Give the workspace its rounds; nothing is loaded yet.

    Args:
        stack: What is opened is closed with it.
    """
    assert plan.settings.pool is not None
    folder = RoundsFolder(directory.student)
    folder.claim(workspace.identity)
    sampling = None
    if plan.settings.generate == "softsrv":
        assert softsrv is not None, "the run file was refused without it"
        place = SoftSRVFolder(directory.softsrv)
        place.claim(softsrv.of_questions(workspace.config), training=softsrv.of_training())
        steering = Steering(softsrv.settings, softsrv.rows, place)
        stack.callback(steering.close)
        seed = workspace.config.random_seed
        sampling = RoundSampling(plan.settings, steering, softsrv.templates, seed=seed)
    needs = CRITERIA[plan.settings.pool.scoring.criterion].needs
    rounds = ActiveRounds(
        plan,
        folder,
        workspace,
        helpers=Helpers(
            ask=ask_teacher(workspace) if "judge" in needs else None,
            checker=plan.checker if "checker" in needs else None,
            reward=reward_loader(plan.settings.pool.scoring, plan.student),
        ),
        sampling=sampling,
    )
    workspace.rounds = rounds
    if rounds.conducts:
        workspace.seeds = GivenSeeds(rounds.seed_of)
