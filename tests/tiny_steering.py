"""A tiny frozen model and a tiny target for tests of training: seconds, not minutes."""

from pathlib import Path
from typing import Any

from metasynth.config.softsrv import SoftSRVConfig
from metasynth.lm.load import wrap_lm
from metasynth.softsrv.artifact import SteeringArtifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.target import Split, TargetRow
from metasynth.softsrv.training.training import train_soft_prompt
from tests.tiny_lm import tiny_llama, tiny_tokenizer

NAMES = ("Ann", "Bo", "Cy", "Di", "Ed", "Flo")
TEXTS = [
    f"{name} has {number} {thing}."
    for name in NAMES
    for number in (3, 41)
    for thing in ("eggs", "rye")
]


def tiny_backbone(**config: Any) -> Backbone:
    """A Llama of two layers with random weights."""
    tokenizer = tiny_tokenizer()
    return Backbone(wrap_lm(tiny_llama(tokenizer, **config), tokenizer, name="tiny"))


def tiny_split() -> Split:
    """18 rows to train on, 6 held out."""
    rows = [TargetRow.of(text) for text in TEXTS]
    return Split(
        train=[row for place, row in enumerate(rows) if place % 4],
        held_out=[row for place, row in enumerate(rows) if place % 4 == 0],
    )


def tiny_settings(kind: str = "mc", **sections: Any) -> SoftSRVConfig:
    """A quick training; `sections` change single keys of sections."""
    given: dict[str, dict[str, Any]] = {
        "prompt": {"parameterisation": kind, "tokens": 3, "hidden": 8},
        "encoder": {"components": 4},
        "training": {
            "learning_rate": 0.01,
            "steps": 12,
            "batch_size": 4,
            "warmup": 2,
            "evaluate_every": 4,
            "save_every": 5,
        },
    }
    for name, values in sections.items():
        given.setdefault(name, {}).update(values)
    return SoftSRVConfig(**given)  # type: ignore[arg-type]


def train(backbone: Backbone, work: Path, settings: SoftSRVConfig, **more: Any) -> SteeringArtifact:
    """A training of the tiny split."""
    return train_soft_prompt(backbone, tiny_split(), settings, work=work, **more)
