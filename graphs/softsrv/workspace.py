"""SoftSRV opened for a run: the workspace of the graph softsrv, the sampler of a conductor."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.config.run import RunConfig
from metasynth.graphs.questions.workspace import QuestionWorkspace, extended
from metasynth.graphs.workspace import Workspace
from metasynth.softsrv.run_folder import SoftSRVFolder

from .plan import SoftSRVPlan
from .steering.sampler import DraftSampler
from .steering.steering import Steering

if TYPE_CHECKING:
    from metasynth.softsrv.manifest import Manifest


@dataclass(frozen=True, eq=False, kw_only=True)
class SoftSRVWorkspace(QuestionWorkspace):
    """A run of the graph softsrv.

    Attributes:
        plan: What the run file says.
        steering: The frozen model and its soft prompt; its folder is RUN/softsrv.
        manifest: What each stage has come to.
    """

    plan: SoftSRVPlan
    steering: Steering
    manifest: "Manifest"

    @property
    def activity(self) -> list[tuple[str, str]]:
        """The stage in work, before what every run shows."""
        text = self.steering.progress.text
        return [*([("softsrv", text)] if text else []), *super().activity]


def open_softsrv(
    plan: SoftSRVPlan, root: Path, workspace: Workspace, stack: ExitStack
) -> SoftSRVWorkspace:
    """The workspace of the graph softsrv; no model is loaded yet.

    Args:
        root: RUN/softsrv.
        stack: What is opened is closed with it.

    Raises:
        RequestError: What lies in the folder cannot be read.
    """
    steering, manifest = open_steering(plan, root, workspace.config, stack)
    return extended(workspace, SoftSRVWorkspace, plan=plan, steering=steering, manifest=manifest)


def open_sampler(
    plan: SoftSRVPlan, root: Path, config: RunConfig, stack: ExitStack
) -> DraftSampler:
    """What a conductor's tool draws from; arguments and errors as above."""
    steering, manifest = open_steering(plan, root, config, stack)
    return DraftSampler(steering, manifest, plan.contamination)


def open_steering(
    plan: SoftSRVPlan, root: Path, config: RunConfig, stack: ExitStack
) -> "tuple[Steering, Manifest]":
    """The frozen model with its soft prompt, and the manifest; arguments and errors as above."""
    folder = SoftSRVFolder(root)
    manifest = folder.claim(plan.of_questions(config), training=plan.of_training())
    steering = Steering(plan.settings, plan.rows, folder)
    stack.callback(steering.close)
    return steering, manifest
