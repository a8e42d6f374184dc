"""SoftSRV's objects of a run: the frozen model, its soft prompt, and what samples from both."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasynth.blocking import Check
from metasynth.config.softsrv import BackboneConfig, SoftSRVConfig
from metasynth.errors import RequestError
from metasynth.lm.weights import EMBEDDED, load_weights
from metasynth.softsrv.run_folder import SoftSRVFolder

if TYPE_CHECKING:
    from metasynth.softsrv.artifact import SteeringArtifact
    from metasynth.softsrv.backbone import Backbone
    from metasynth.softsrv.sampling.soft_sampler import SoftSampler
    from metasynth.softsrv.target import TargetRow
    from metasynth.softsrv.training.progress import TrainingProgress

_START = "<|ai|>"  # what a document of the embedded model begins with; it has no BOS


def load_backbone(config: BackboneConfig) -> "Backbone":
    """The frozen model that a run file names.

    Raises:
        RequestError: It cannot be loaded, or soft prompts cannot steer it.
    """
    from metasynth.softsrv.backbone import Backbone

    return Backbone(load_weights(config))


def start_ids(backbone: "Backbone") -> list[int] | None:
    """The tokens that an unconditional sample begins with; None leaves it to the model's BOS."""
    if backbone.bos_id is not None or backbone.lm.name != EMBEDDED:
        return None
    found = backbone.lm.tokenizer.convert_tokens_to_ids(_START)
    assert isinstance(found, int)
    return [found]


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
        self.stage = ""
        self._rows = rows
        self._folder = folder
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
        return self.settings.artifact or self._folder.artifact

    def backbone(self) -> "Backbone":
        """The frozen model; blocks while it is loaded."""
        with self._lock:
            if self._backbone is None:
                self.stage = f"loading {self.settings.backbone.model}"
                self._backbone = load_backbone(self._backbone_config())
                self.stage = ""
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
                    self._artifact = self._trained(backbone, check)
                else:
                    self._artifact = load_artifact(
                        self.artifact_folder, backbone=backbone, cache=self._folder.vectors
                    )
                self._folder.write_contexts(self._artifact.rows)
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

    def told(self) -> dict[str, Any]:
        """For the manifest: the contexts and how the soft prompt was trained, without curves."""
        from metasynth.softsrv.artifact import read_artifact_config

        told = read_artifact_config(self.artifact_folder)
        report = {
            name: value
            for name, value in told["report"].items()
            if name not in ("curves", "trials")
        }
        return {
            "contexts": told["data"]["rows"],
            "method": "soft",
            "artifact": str(self.artifact_folder),
            "training": report,
        }

    def close(self) -> None:
        """Stop what computes and let go of the caches."""
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
        told = read_artifact_config(self.settings.artifact)["settings"].get("backbone", {})
        return own.model_copy(
            update={key: told[key] for key in ("model", "revision", "dtype") if key in told}
        )

    def _trained(self, backbone: "Backbone", check: Check) -> "SteeringArtifact":
        from metasynth.softsrv.artifact import save_artifact
        from metasynth.softsrv.target import split_target
        from metasynth.softsrv.training.training import train_soft_prompt

        if not self._rows:
            raise RequestError("softsrv.target: there is nothing to train on")
        split = split_target(self._rows, self.settings.training, seed=self.settings.random_seed)

        def progress(told: "TrainingProgress") -> None:
            self.stage = _told(told)
            check()

        self.stage = "training"
        artifact = train_soft_prompt(
            backbone, split, self.settings, work=self._folder.training, progress=progress
        )
        save_artifact(artifact, self.artifact_folder, backbone=backbone)
        self.stage = ""
        return artifact


def _told(progress: "TrainingProgress") -> str:
    loss = progress.held_out_nll
    best = f", held-out loss {loss:.3f}" if loss is not None else ""
    return f"{progress.phase}: step {progress.done} of {progress.total}{best}"
