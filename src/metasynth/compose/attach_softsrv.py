"""SoftSRV joined to a run: the questions of the graph softsrv, the sampler of the conductor."""

from contextlib import ExitStack
from pathlib import Path

from metasynth.graphs.softsrv.plan import SoftSRVPlan
from metasynth.graphs.softsrv.question_sources import Materials
from metasynth.graphs.softsrv.questions import RunQuestions
from metasynth.graphs.softsrv.sampler import RunSampler
from metasynth.graphs.softsrv.steering import Steering
from metasynth.graphs.teacher_questions import TeacherAsk
from metasynth.graphs.workspace import Workspace
from metasynth.softsrv.run_folder import SoftSRVFolder


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
