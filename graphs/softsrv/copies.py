"""Do a run's samples copy the rows that they were made from? Kept in the manifest."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.softsrv.run_folder import SoftSRVFolder

if TYPE_CHECKING:
    from metasynth.softsrv.postprocess.copy_audit import CopyAudit
    from metasynth.softsrv.sampling.samples import Sample
    from metasynth.softsrv.target import TargetRow

_MOST = 1000  # samples that are looked at: the first ones, which go round all contexts alike


def audit_copies(folder: SoftSRVFolder, samples: "Sequence[Sample]", embedder: str) -> "CopyAudit":
    """How close samples are to their contexts, and held-out rows, where there are some, to theirs.

    Args:
        embedder: What measures similarity, as the section `memory` names it.
    """
    from metasynth.softsrv.postprocess.copy_audit import copy_audit
    from metasynth.vectors.embed import load_embedder

    held_out = _rows(folder.training / "held_out.jsonl")
    measure = load_embedder(embedder)
    try:
        return copy_audit(
            samples[:_MOST],
            _rows(folder.contexts),
            [row.text for row in held_out],
            measure.vectors,
        )
    finally:
        measure.close()


def _rows(path: Path) -> "list[TargetRow]":
    from metasynth.softsrv.target import TargetRow

    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [TargetRow(**json.loads(line)) for line in lines if line]
