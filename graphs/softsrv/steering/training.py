"""A soft prompt trained into a folder, outside a run."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from metasynth.config.softsrv import SoftSRVConfig
from metasynth.softsrv.run_folder import SoftSRVFolder

from .backbone import load_backbone, start_ids

if TYPE_CHECKING:
    from metasynth.softsrv.artifact import SteeringArtifact
    from metasynth.softsrv.target import Split
    from metasynth.softsrv.training.progress import TrainingProgress


def train_into(
    folder: SoftSRVFolder,
    split: "Split",
    settings: SoftSRVConfig,
    *,
    progress: "Callable[[TrainingProgress], None] | None",
) -> "SteeringArtifact":
    """Train on a split of the target, or go on with what lies in the folder, and keep the artifact.

    The caller holds the folder and closes the artifact's encoder.

    Raises:
        RequestError: The model cannot be loaded, or the folder belongs to another training.
        MetaSynthError: Training failed.
    """
    from metasynth.softsrv.artifact import save_artifact
    from metasynth.softsrv.training.training import train_soft_prompt

    backbone = load_backbone(settings.backbone)
    artifact = train_soft_prompt(
        backbone,
        split,
        settings,
        work=folder.training,
        progress=progress,
        start_ids=start_ids(backbone),
    )
    save_artifact(artifact, folder.artifact, backbone=backbone)
    return artifact
