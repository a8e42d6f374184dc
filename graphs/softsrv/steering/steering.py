"""The frozen model, its soft prompt, and what samples from both."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasynth.blocking import Check
from metasynth.config.softsrv import BackboneConfig, SoftSRVConfig
from metasynth.errors import RequestError
from metasynth.graphs.run.progress import Progress
from metasynth.softsrv.run_folder import SoftSRVFolder

from .backbone import load_backbone

if TYPE_CHECKING:
    from metasynth.softsrv.artifact import SteeringArtifact
    from metasynth.softsrv.backbone import Backbone
    from metasynth.softsrv.sampling.soft_sampler import SoftSampler
    from metasynth.softsrv.target import TargetRow
    from metasynth.softsrv.training.progress import TrainingProgress


class Steering:
    """The frozen model and its soft prompt, each made once, when it is first needed.

    Args:
        settings: The run's section, with its seed.
        rows: The target to train on where no artifact is named.
        folder: Where the run keeps what it trains.
    """

    def __init__(
        self, settings: SoftSRVConfig, rows: Sequence["TargetRow"], folder: SoftSRVFolder
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.progress = Progress()
        self._rows = rows
        self._lock = threading.RLock()
        self._backbone: Backbone | None = None
        self._artifact: SteeringArtifact | None = None
        self._sampler: SoftSampler | None = None

    @property
    def model(self) -> str:
        """The frozen model, in the run file's words."""
        return self._backbone_config().model

    @property
    def artifact_folder(self) -> Path:
        """Where the soft prompt lies, or will."""
        return self.settings.artifact or self.folder.artifact

    def backbone(self) -> "Backbone":
        """The frozen model; blocks while it is loaded."""
        with self._lock:
            if self._backbone is None:
                with self.progress.stage(f"loading {self.settings.backbone.model}"):
                    self._backbone = load_backbone(self._backbone_config())
            return self._backbone

    def artifact(self, check: Check) -> "SteeringArtifact":
        """The soft prompt; blocks while it is trained or read.

        Raises:
            RequestError: The artifact does not fit the model.
            MetaSynthError: Training failed.
        """
        from metasynth.softsrv.artifact import load_artifact

        with self._lock:
            if self._artifact is None:
                backbone = self.backbone()
                if self.settings.artifact is None and not self._is_trained():
                    self._artifact = self._train(backbone, check)
                else:
                    self._artifact = load_artifact(
                        self.artifact_folder, backbone=backbone, cache=self.folder.vectors
                    )
                self.folder.write_contexts(self._artifact.rows)
            return self._artifact

    def sampler(self, check: Check) -> "SoftSampler":
        """What samples; blocks while the soft prompt is made."""
        from metasynth.softsrv.sampling.soft_sampler import SoftSampler

        with self._lock:
            if self._sampler is None:
                artifact = self.artifact(check)
                self._sampler = SoftSampler(
                    self.backbone(),
                    artifact,
                    self.settings.sampling,
                    seed=self.settings.random_seed,
                )
            return self._sampler

    def summary(self) -> dict[str, Any]:
        """For the manifest: the contexts and how the soft prompt was trained, without curves."""
        from metasynth.softsrv.artifact import read_artifact_config

        config = read_artifact_config(self.artifact_folder)
        report = {
            name: value
            for name, value in config["report"].items()
            if name not in ("curves", "trials")
        }
        return {
            "contexts": config["data"]["rows"],
            "method": "soft",
            "artifact": str(self.artifact_folder),
            "training": report,
        }

    def close(self) -> None:
        """Stop the sampler's threads and close the cache of context vectors."""
        if self._sampler is not None:
            self._sampler.close()
        if self._artifact is not None:
            self._artifact.encoder.close()

    def _is_trained(self) -> bool:
        return (self.artifact_folder / "config.json").is_file()

    def _backbone_config(self) -> BackboneConfig:
        """The run file's, or where it names none, the one that the artifact was trained with."""
        from metasynth.softsrv.artifact import read_artifact_config

        own = self.settings.backbone
        if self.settings.artifact is None or "model" in own.model_fields_set:
            return own
        trained = read_artifact_config(self.settings.artifact)["settings"].get("backbone", {})
        return own.model_copy(
            update={key: trained[key] for key in ("model", "revision", "dtype") if key in trained}
        )

    def _train(self, backbone: "Backbone", check: Check) -> "SteeringArtifact":
        from metasynth.softsrv.artifact import save_artifact
        from metasynth.softsrv.target import split_target
        from metasynth.softsrv.training.training import train_soft_prompt

        if not self._rows:
            raise RequestError("softsrv.target: there is nothing to train on", code="no_target")
        split = split_target(self._rows, self.settings.training, seed=self.settings.random_seed)

        def show(progress: "TrainingProgress") -> None:
            loss = progress.held_out_nll
            best = f", held-out loss {loss:.3f}" if loss is not None else ""
            self.progress.text = f"{progress.phase}: step {progress.done} of {progress.total}{best}"
            check()

        with self.progress.stage("training"):
            artifact = train_soft_prompt(
                backbone, split, self.settings, work=self.folder.training, progress=show
            )
            save_artifact(artifact, self.artifact_folder, backbone=backbone)
        return artifact
