"""SoftSRV joined to a run: the questions of the graph softsrv, the sampler of the conductor."""

from contextlib import ExitStack
from pathlib import Path

from metasynth.graphs import TeacherAsk, Workspace

from .arms import Materials
from .questions import RunQuestions
from .sampler import RunSampler
from .softsrv_folder import SoftSRVFolder
from .softsrv_plan import SoftSRVPlan
from .steering import Steering


def attach_softsrv(plan: SoftSRVPlan, folder: Path, workspace: Workspace, stack: ExitStack) -> None:
    """Give the workspace what its graph needs of SoftSRV; nothing is loaded yet.

    Args:
        folder: RUN/softsrv.
        stack: What is opened is closed with it.

    Raises:
        RequestError: What lies in the folder cannot be read.
    """
    place = SoftSRVFolder(folder)
    manifest = place.claim(plan.of_questions(workspace.config), training=plan.of_training())
    steering = Steering(plan.settings, plan.rows, place)
    stack.callback(steering.close)
    if workspace.config.graph == "document":
        workspace.sampler = RunSampler(steering, manifest, plan.contamination)
        return
    made = Materials(
        settings=plan.settings,
        rows=plan.rows,
        templates=plan.templates,
        ask=TeacherAsk(workspace),
        steering=steering,
        contamination=plan.contamination,
        embedder=workspace.config.memory.embedder,
        concurrency=workspace.config.concurrency,
    )
    workspace.questions = RunQuestions(place, manifest, made)
