"""`softsrv sample --audit`: do samples copy the rows that the soft prompt was trained on?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasynth.compose import SoftSRVFolder
from metasynth.embed import load_embedder
from metasynth.softsrv import Sample, TargetRow, copy_audit

from .terminal import tell

if TYPE_CHECKING:
    from metasynth.softsrv import CopyAudit


def audit_copies(samples: Sequence[Sample], folder: Path) -> "CopyAudit":
    """Print the copy audit beside the same numbers for held-out rows, and give it.

    Args:
        folder: The artifact; the held-out rows lie in the training beside it, if it is there.
    """
    rows = _rows(folder / "target.jsonl")
    training = SoftSRVFolder(folder.parent).training
    held_out = _rows(training / "held_out.jsonl")
    cache = training / "vectors.sqlite" if training.is_dir() else None
    embedder = load_embedder("default", cache=cache)
    try:
        found = copy_audit(samples, rows, [row.text for row in held_out], embedder.vectors)
    finally:
        embedder.close()
    tell("  copied     " + _told(found["samples"]))
    tell("  held out   " + (_told(found["held_out"]) if held_out else "no rows to compare with"))
    return found


def _rows(path: Path) -> list[TargetRow]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [TargetRow(**json.loads(line)) for line in lines if line]


def _told(copying: Any) -> str:
    shares, nearest = copying["any"], copying["any_similarity"]
    return (
        f"{shares['exact']:.1%} equal a row, {shares['ngram']:.1%} share 13 words, "
        f"{shares['near']:.1%} are near; nearest row at {nearest['median']:.2f} (median cosine)"
    )
