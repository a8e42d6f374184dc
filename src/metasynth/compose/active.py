"""The rounds joined to a run."""

from contextlib import ExitStack

from metasynth.graphs import GivenSeeds, Workspace
from metasynth.rundir import RunDirectory
from metasynth.student import CRITERIA

from .active_plan import ActivePlan
from .round_sampling import RoundSampling
from .round_scores import Helpers
from .rounds import ActiveRounds
from .rounds_folder import RoundsFolder
from .screening import ask_teacher
from .softsrv_folder import SoftSRVFolder
from .softsrv_plan import SoftSRVPlan
from .steering import Steering
from .student import reward_loader


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
