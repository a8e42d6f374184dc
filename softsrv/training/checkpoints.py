"""The folder of a training: whose it is, and the state that it goes on from after a stop.

settings.json            what the training is: settings, data and model, each by its key
learning_rates.json      trials of the search for a learning rate that are finished
checkpoint.safetensors   θ, what Adam remembers and the best θ so far; in its header, as JSON,
                         the step, the losses and what early stopping counts
curves.jsonl             a line for each evaluation
held_out.jsonl           the rows that were not trained on
vectors.sqlite           raw context vectors, by model and text
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.rundir import write_atomically


class TrainingFolder:
    """The folder of one training.

    Args:
        root: Made where it is missing.
        identity: What the training is; every key must agree with what the folder was begun with.

    Raises:
        RequestError: The folder cannot be written, or belongs to another training.
    """

    def __init__(self, root: Path, identity: Mapping[str, Any]) -> None:
        self.root = root
        self.curves = root / "curves.jsonl"
        self.held_out = root / "held_out.jsonl"
        self._settings = root / "settings.json"
        self._rates = root / "learning_rates.json"
        self._checkpoint = root / "checkpoint.safetensors"
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._claim(json.loads(json.dumps(identity)))
        except OSError as error:
            raise RequestError(
                f"{root}: cannot be written ({error.strerror})", code="not_writable"
            ) from None

    def _claim(self, identity: dict[str, Any]) -> None:
        found = _read_json(self._settings)
        if found is not None and found != identity and self._has_progress():
            raise RequestError(
                f"{self.root}: holds a training that differs in {_difference(found, identity)}",
                hint="give another folder, or the settings and data that it was begun with",
                code="other_settings",
            )
        write_atomically(self._settings, json.dumps(identity, indent=2) + "\n")

    def _has_progress(self) -> bool:
        return self._checkpoint.exists() or self._rates.exists()

    def trials(self) -> list[dict[str, Any]]:
        """The finished trials of a search for a learning rate."""
        found = _read_json(self._rates)
        return found if isinstance(found, list) else []

    def save_trials(self, trials: list[dict[str, Any]]) -> None:
        """Keep the finished trials."""
        write_atomically(self._rates, json.dumps(trials, indent=2) + "\n")

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; a kill leaves the one before or this one.

        Raises:
            MetaSynthError: It cannot be written.
        """
        partial = self._checkpoint.with_suffix(".partial")
        plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        try:
            save_file(plain, partial, metadata={"state": json.dumps(state)})
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(self._checkpoint)
        except (OSError, SafetensorError) as error:
            raise MetaSynthError(
                f"{self._checkpoint}: cannot be written ({error})",
                hint="make room; the same command goes on from the checkpoint before",
                code="not_writable",
            ) from error

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and state of the checkpoint; None where there is none.

        Raises:
            RequestError: It cannot be read.
        """
        if not self._checkpoint.exists():
            return None
        try:
            with safe_open(self._checkpoint, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                state = json.loads((file.metadata() or {})["state"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RequestError(
                f"{self._checkpoint}: cannot be read ({error})",
                hint="remove the file to train from the start",
                code="unreadable_file",
            ) from None
        return tensors, state


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise RequestError(
            f"{path}: not JSON", hint="remove the folder, or give another", code="not_json"
        ) from None


def _difference(found: Any, wanted: Any, key: str = "") -> str:
    """The first key in which two settings differ, with both values."""
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return f"{key} ({json.dumps(found)} there, {json.dumps(wanted)} now)"
    for name in dict.fromkeys([*found, *wanted]):
        if found.get(name) != wanted.get(name):
            inner = f"{key}.{name}" if key else str(name)
            return _difference(found.get(name), wanted.get(name), inner)
    return key
