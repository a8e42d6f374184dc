"""A trained soft prompt on disk: a folder that is complete or absent.

`soft_prompt.safetensors` has θ, `contexts.safetensors` the context vectors and what makes the
encoder, `target.jsonl` the texts it was trained on, `config.json` all the rest.
"""

import hashlib
import importlib.metadata
import json
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from metasynth.config.softsrv import PromptConfig
from metasynth.errors import RequestError
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.version import code_version

from .backbone import Backbone
from .initialisation import empty_soft_prompt
from .parameterisation import PARAMETERISATIONS
from .soft_prompt import SoftPrompt
from .target import TargetRow

FORMAT = 1
_CONFIG = "config.json"
_PROMPT = "soft_prompt.safetensors"
_CONTEXTS = "contexts.safetensors"
_TARGET = "target.jsonl"
_PARTS = {"backbone", "data", "encoder", "prompt", "report", "settings"}
_SCALE_TOLERANCE = 0.02  # √d in bfloat16 is off by up to 0.4 %
_SHAPE = {"parameterisation", "tokens", "bases", "hidden", "layers"}


@dataclass
class SteeringArtifact:
    """A trained soft prompt with all that sampling from it needs.

    Attributes:
        contexts: Context vectors [n, d_e] of `rows`, in their order.
        rows: The texts it was trained on.
        config: The settings of the training.
        report: Its curves and figures.
    """

    prompt: SoftPrompt
    encoder: ContextEncoder
    contexts: Tensor
    rows: list[TargetRow]
    config: dict[str, Any]
    report: dict[str, Any]


def save_artifact(artifact: SteeringArtifact, folder: Path, *, backbone: Backbone) -> None:
    """Write an artifact; the folder is complete or absent, whenever this is interrupted.

    Raises:
        RequestError: Something that is no artifact is in the way, or nothing can be written there.
    """
    if folder.exists() and not (folder / _CONFIG).is_file() and _is_occupied(folder):
        raise RequestError(
            f"{folder}: holds something else than a soft prompt, left as it is", code="foreign"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a start that was killed
    try:
        partial.mkdir(parents=True)
        _write(artifact, partial, backbone)
        _put_in_place(partial, folder)
    except OSError as error:
        raise RequestError(
            f"{folder}: cannot be written ({error.strerror or error})", code="not_writable"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_artifact_config(folder: Path) -> dict[str, Any]:
    """What an artifact says of itself: `backbone`, `prompt`, `encoder`, `settings`, `report`, ….

    Raises:
        RequestError: There is no artifact, or one that this version does not read, or its
            parameterisation is a plug-in that is not known here (code `unknown_part`).
    """
    try:
        found = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(
            f"{folder}: no soft prompt here ({_CONFIG} is missing)",
            hint="give a folder that `metasynth softsrv train` wrote",
            code="no_soft_prompt",
        ) from None
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{folder / _CONFIG}: cannot be read ({error})", code="unreadable_file"
        ) from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise RequestError(
            f"{folder}: not a soft prompt of format {FORMAT}",
            hint="read it with the version of metasynth that wrote it, or train again",
            code="other_format",
        )
    if missing := sorted(_PARTS - found.keys()):
        raise RequestError(
            f"{folder / _CONFIG}: lacks {', '.join(missing)}",
            hint="train again",
            code="missing_key",
        )
    try:
        PARAMETERISATIONS.check(found["prompt"]["parameterisation"], str(folder))
    except RequestError as error:
        hint = "give the --plugins, or the `plugins` of the run file, that it was trained with"
        raise RequestError(error.message, hint=hint, code=error.code) from None
    return found


def load_artifact(
    folder: Path, *, backbone: Backbone, cache: Path | None = None
) -> SteeringArtifact:
    """Read an artifact for the backbone that it was trained with.

    Args:
        cache: The SQLite file for vectors of new texts.

    Raises:
        RequestError: Another backbone, width, embedding convention, major version of transformers
            or encoder; or a file that is missing or not the one that was written.
    """
    told = read_artifact_config(folder)
    _require_same_backbone(folder, told["backbone"], backbone)
    text = _read_target(folder, told["data"])
    rows = [TargetRow(**json.loads(line)) for line in text.splitlines()]
    tensors = _read_tensors(folder / _CONTEXTS)
    contexts = tensors.pop("contexts", torch.empty(0)).to(backbone.device)
    prompt = _read_prompt(folder, told["prompt"], backbone)
    if contexts.shape != (len(rows), prompt.context_width):
        raise RequestError(
            f"{folder}: {_CONTEXTS} has {list(contexts.shape)} numbers for {len(rows)} rows and "
            f"context vectors of {prompt.context_width}",
            hint="train again",
            code="bad_shape",
        )
    encoder = ContextEncoder.from_state(tensors, told["encoder"], backbone=backbone, cache=cache)
    return SteeringArtifact(prompt, encoder, contexts, rows, told["settings"], told["report"])


def data_hash(rows: Sequence[TargetRow]) -> str:
    """Names the training texts and their order."""
    return hashlib.sha256(_lines(rows).encode()).hexdigest()


def _write(artifact: SteeringArtifact, folder: Path, backbone: Backbone) -> None:
    tensors, encoder = artifact.encoder.state()
    tensors = {"contexts": artifact.contexts, **tensors}
    save_file(_plain(artifact.prompt.state_dict()), folder / _PROMPT)
    save_file(_plain(tensors), folder / _CONTEXTS)
    (folder / _TARGET).write_text(_lines(artifact.rows), encoding="utf-8", newline="\n")
    told = {
        "format": FORMAT,
        "prompt": {
            **artifact.prompt.config.model_dump(include=_SHAPE),
            "width": artifact.prompt.width,
            "context_width": artifact.prompt.context_width,
            "parameters": sum(one.numel() for one in artifact.prompt.parameters()),
        },
        "backbone": _backbone_identity(backbone),
        "encoder": encoder,
        "data": {"rows": len(artifact.rows), "sha256": data_hash(artifact.rows)},
        "versions": {
            "metasynth": code_version(),
            **{name: importlib.metadata.version(name) for name in ("torch", "transformers")},
        },
        "settings": _finite(artifact.config),
        "report": _finite(artifact.report),
    }
    # last, because its presence says that the rest is there
    text = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / _CONFIG).write_text(text + "\n", encoding="utf-8", newline="\n")


def _put_in_place(partial: Path, folder: Path) -> None:
    """Let the finished folder take its name; what had it before goes away."""
    for file in partial.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())
    before = folder.with_name(f".{folder.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.rename(before)
    partial.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def _read_prompt(folder: Path, told: dict[str, Any], backbone: Backbone) -> SoftPrompt:
    settings = {name: told[name] for name in _SHAPE}
    sizes = {"width": told["width"], "context_width": told["context_width"]}
    prompt = empty_soft_prompt(PromptConfig(**settings), **sizes)
    try:
        prompt.load_state_dict(_read_tensors(folder / _PROMPT))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise RequestError(
            f"{folder / _PROMPT}: not what {_CONFIG} says ({reason})", code="bad_weights"
        ) from error
    return prompt.to(backbone.device).requires_grad_(False)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RequestError(
            f"{path}: cannot be read ({error})", hint="train again", code="unreadable_file"
        ) from None


def _read_target(folder: Path, told: dict[str, Any]) -> str:
    try:
        text = (folder / _TARGET).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"{folder / _TARGET}: cannot be read ({error})", code="unreadable_file"
        ) from None
    if hashlib.sha256(text.encode()).hexdigest() != told["sha256"]:
        raise RequestError(
            f"{folder / _TARGET}: not the rows that the soft prompt was trained on (hash differs)",
            hint="put the file back, or train again",
            code="other_rows",
        )
    return text


def _lines(rows: Sequence[TargetRow]) -> str:
    # ASCII alone: a text may hold half a surrogate pair, or a character that ends a line
    return "".join(json.dumps({"id": row.id, "text": row.text}) + "\n" for row in rows)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _finite(value: Any) -> Any:
    """The same for JSON: numbers that are none become null."""
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _is_occupied(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


def _backbone_identity(backbone: Backbone) -> dict[str, Any]:
    """What an artifact keeps of its backbone, for JSON."""
    return {
        "model": backbone.lm.name,
        "revision": getattr(backbone.model.config, "_commit_hash", None),
        "fingerprint": backbone.fingerprint,
        "width": backbone.width,
        "dtype": str(backbone.dtype).removeprefix("torch."),
        "convention": backbone.convention,
    }


def _require_same_backbone(folder: Path, told: dict[str, Any], backbone: Backbone) -> None:
    """Refuse a backbone that is not the one of `_backbone_identity`.

    P_θ means something to one set of weights under one convention of embeddings. Anywhere else it
    would run all the same and steer nowhere, so every difference is an error that names it.

    Raises:
        RequestError: Another width, major version of transformers, embedding convention or weights.
    """
    then, now = told["convention"], backbone.convention
    trained = told["model"]
    name = backbone.lm.name
    if told["width"] != backbone.width:
        raise _mismatch(
            folder,
            f"its vectors have {told['width']} numbers, model {name!r} takes {backbone.width}",
        )
    if _major(then["transformers"]) != _major(now["transformers"]):
        raise _mismatch(
            folder,
            f"it was trained under transformers {then['transformers']}, this is "
            f"{now['transformers']}, which may feed embeddings in another way",
        )
    if then["inputs_embeds"] != now["inputs_embeds"] or not _same_scale(then, now):
        raise _mismatch(
            folder,
            f"it was trained for embeddings scaled by {then['embedding_scale']} "
            f"({then['inputs_embeds']}), model {name!r} has {now['embedding_scale']} "
            f"({now['inputs_embeds']})",
        )
    if told["fingerprint"] != backbone.fingerprint:
        raise _mismatch(
            folder,
            f"it was trained with model {trained!r} (weights {told['fingerprint']}), not with "
            f"{name!r} (weights {backbone.fingerprint})",
        )


def _mismatch(folder: Path, what: str) -> RequestError:
    return RequestError(
        f"soft prompt {folder} does not fit: {what}",
        hint="give the backbone and the library that it was trained with, or train again",
        code="other_backbone",
    )


def _same_scale(then: dict[str, str], now: dict[str, str]) -> bool:
    before, after = float(then["embedding_scale"]), float(now["embedding_scale"])
    return math.isclose(before, after, rel_tol=_SCALE_TOLERANCE)


def _major(version: str) -> str:
    return version.partition(".")[0]
