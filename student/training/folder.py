"""The folder of a training: whose it is, where it goes on after a stop, and whether it is whole.

settings.json   what the training is: settings, rows, weights and seed, each by its key
steps.jsonl     a line for each optimiser step
checkpoints/    step-N.safetensors, what is trained and what Adam remembers, and step-N.json with
                its size and hash, written after it; the two newest are kept
training.json   the report, with size and hash of each file that holds the result; it is written
                last, so a folder without it is unfinished
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from metasynth.errors import MetaSynthError, RequestError
from metasynth.records.rundir import write_atomically

REPORT = "training.json"
_KEPT = 2
_STEP = re.compile(r"step-(\d+)\.json")

logger = logging.getLogger(__name__)


class TrainingFolder:
    """The folder of one training.

    Args:
        root: Made where it is missing.
        identity: What the training is; every key must agree with what the folder was begun with.

    Raises:
        RequestError: The folder cannot be written, or holds something else.
    """

    def __init__(self, root: Path, identity: Mapping[str, Any]) -> None:
        self.root = root
        self._identity = json.loads(json.dumps(identity))
        self._settings = root / "settings.json"
        self._steps = root / "steps.jsonl"
        self._checkpoints = root / "checkpoints"
        try:
            self._checkpoints.mkdir(parents=True, exist_ok=True)
            self._claim()
        except OSError as error:
            raise RequestError(
                f"{root}: cannot be written ({error.strerror})", code="not_writable"
            ) from None

    def _claim(self) -> None:
        found = _read_json(self._settings)
        if found is not None and found != self._identity and self._has_progress():
            raise RequestError(
                f"{self.root}: holds a training that differs in "
                f"{_difference(found, self._identity)}",
                hint="give another folder, or what that training was begun with",
                code="other_settings",
            )
        if found is None and _read_json(self.root / REPORT) is None and _has_weights(self.root):
            raise RequestError(
                f"{self.root}: holds weights, but not of a training",
                hint="give another folder",
                code="foreign",
            )
        write_atomically(self._settings, json.dumps(self._identity, indent=2) + "\n")

    def _has_progress(self) -> bool:
        return (self.root / REPORT).exists() or any(self._checkpoints.iterdir())

    def finished(self) -> dict[str, Any] | None:
        """The report of a training that has ended; None where it has not, or its files are gone."""
        told = _read_json(self.root / REPORT)
        if told is None:
            return None
        if wrong := _first_wrong(self.root, told["files"]):
            logger.warning("%s: %s; training again", self.root, wrong)
            return None
        report: dict[str, Any] = told["report"]
        return report

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write the checkpoint of a step; a kill leaves those before, or this one as well.

        Raises:
            MetaSynthError: It cannot be written.
        """
        path = self._checkpoints / f"step-{step:08d}.safetensors"
        plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        try:
            _sync(self._steps)  # a checkpoint is not ahead of the curve
            save_file(plain, path)
            told = {"step": step, "file": _stamp(path), **state}
            write_atomically(path.with_suffix(".json"), json.dumps(told) + "\n")
        except (OSError, SafetensorError) as error:
            raise MetaSynthError(
                f"{path}: cannot be written ({error})",
                hint="make room; the same command goes on from the checkpoint before",
                code="not_writable",
            ) from error
        for _, old in self._found()[_KEPT:]:
            _remove_checkpoint(old)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and state of the newest checkpoint that is whole; None where there is none.

        One that is cut off or damaged is named in a warning, and the one before is taken.
        """
        for _, path in self._found():
            tensors = path.with_suffix(".safetensors")
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                if wrong := _first_wrong(self._checkpoints, {tensors.name: told["file"]}):
                    raise ValueError(wrong)
                # not the file's own pages, which it would take along if it were written anew
                return {name: one.clone() for name, one in load_file(tensors).items()}, told
            except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
                logger.warning(
                    "checkpoint %s is cut off or damaged (%s): the one before is taken",
                    path.with_suffix(""),
                    error,
                )
                _remove_checkpoint(path)
        return None

    def _found(self) -> list[tuple[int, Path]]:
        """Step and file of the checkpoints, the newest first."""
        names = ((_STEP.fullmatch(path.name), path) for path in self._checkpoints.iterdir())
        return sorted(((int(name[1]), path) for name, path in names if name), reverse=True)

    def begin_steps(self, upto: int) -> None:
        """Cut `steps.jsonl` off behind a step: what follows it is done again."""
        lines = self.steps()[:upto]
        write_atomically(self._steps, "".join(json.dumps(line) + "\n" for line in lines))

    def add_step(self, line: Mapping[str, Any]) -> None:
        """Append a line to `steps.jsonl`.

        Raises:
            MetaSynthError: It cannot be written.
        """
        try:
            with self._steps.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise MetaSynthError(
                f"{self._steps}: cannot be written ({error.strerror})",
                hint="make room",
                code="not_writable",
            ) from error

    def steps(self) -> list[dict[str, Any]]:
        """The lines of `steps.jsonl`; half a last line, which a kill may leave, is none."""
        try:
            text = self._steps.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def finish(self, write: Callable[[Path], None], report: Mapping[str, Any]) -> None:
        """Put the result in place: what `write` puts into the folder that it is given.

        Raises:
            MetaSynthError: It cannot be written.
        """
        partial = self.root / ".weights.partial"
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            write(partial)
            files = {path.name: _stamp(path) for path in sorted(partial.iterdir())}
            for path in partial.iterdir():
                path.replace(self.root / path.name)
            partial.rmdir()
            told = {"identity": self._identity, "report": report, "files": files}
            text = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            write_atomically(self.root / REPORT, text)
        except (OSError, SafetensorError) as error:
            raise MetaSynthError(
                f"{self.root}: cannot be written ({error})",
                hint="make room; the same command goes on from the last checkpoint",
                code="not_writable",
            ) from error
        shutil.rmtree(self._checkpoints, ignore_errors=True)


def read_finished(root: Path) -> dict[str, Any]:
    """What `training.json` tells, where the files are as it says.

    Raises:
        RequestError: The training has not ended, or a file is missing, cut off or changed.
    """
    told = _read_json(root / REPORT)
    if told is None:
        raise RequestError(
            f"{root}: holds no finished training",
            hint="carry the training out, or go on with it by the command that began it",
            code="no_training",
        )
    if wrong := _first_wrong(root, told["files"]):
        raise RequestError(f"{root}: {wrong}", hint="carry the training out again", code="damaged")
    return dict(told)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _stamp(path: Path) -> dict[str, Any]:
    """Size and hash of a file, once it is on disk."""
    _sync(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _first_wrong(root: Path, files: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with the first file that is not as it was written."""
    for name, told in files.items():
        path = root / name
        if not path.is_file():
            return f"{name} is missing"
        if (size := path.stat().st_size) != told["bytes"]:
            return f"{name} has {size:,} bytes of {told['bytes']:,}"
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != told["sha256"]:
                return f"{name} has other content (its hash differs)"
    return None


def _remove_checkpoint(path: Path) -> None:
    path.unlink(missing_ok=True)  # first what says that the other is whole
    path.with_suffix(".safetensors").unlink(missing_ok=True)


def _has_weights(root: Path) -> bool:
    return any(root.glob("*.safetensors")) or (root / "config.json").exists()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise RequestError(
            f"{path}: cannot be read", hint="give another folder", code="unreadable_file"
        ) from None
    if not isinstance(told, dict):
        raise RequestError(f"{path}: not of a training", hint="give another folder", code="foreign")
    return told


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first key in which two identities differ, with both values."""
    key = next(key for key in {**found, **wanted} if found.get(key) != wanted.get(key))
    return f"{key} ({json.dumps(found.get(key))} there, {json.dumps(wanted.get(key))} now)"
