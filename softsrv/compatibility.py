"""Whether a soft prompt fits a backbone: weights, width, and how embeddings are fed.

P_θ means something to one set of weights under one convention of embeddings. Anywhere else it would
run all the same and steer nowhere, so every difference is an error that names it.
"""

import math
from pathlib import Path
from typing import Any

from metasynth.errors import RequestError

from .backbone import Backbone

_SCALE_TOLERANCE = 0.02  # √d in bfloat16 is off by up to 0.4 %


def backbone_identity(backbone: Backbone) -> dict[str, Any]:
    """What an artifact keeps of its backbone, for JSON."""
    return {
        "model": backbone.lm.name,
        "revision": getattr(backbone.model.config, "_commit_hash", None),
        "fingerprint": backbone.fingerprint,
        "width": backbone.width,
        "dtype": str(backbone.dtype).removeprefix("torch."),
        "convention": backbone.convention,
    }


def require_same_backbone(folder: Path, told: dict[str, Any], backbone: Backbone) -> None:
    """Refuse a backbone that is not the one that `backbone_identity` told of.

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
    )


def _same_scale(then: dict[str, str], now: dict[str, str]) -> bool:
    before, after = float(then["embedding_scale"]), float(now["embedding_scale"])
    return math.isclose(before, after, rel_tol=_SCALE_TOLERANCE)


def _major(version: str) -> str:
    return version.partition(".")[0]
