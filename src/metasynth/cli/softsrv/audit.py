"""`softsrv sample --audit`: do samples copy the rows that the soft prompt was trained on?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metasynth.cli.screen.bars import Bar
from metasynth.cli.screen.softsrv import copy_shares
from metasynth.cli.screen.terminal import tell
from metasynth.softsrv.postprocess.copy_audit import copy_audit
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.softsrv.sampling.samples import Sample
from metasynth.softsrv.target import TargetRow
from metasynth.vectors.embed import load_embedder

if TYPE_CHECKING:
    from metasynth.softsrv.postprocess.copy_audit import CopyAudit
    from metasynth.vectors.cache import Vectors

_AT_ONCE = 128


def audit_copies(samples: Sequence[Sample], folder: Path, *, quiet: bool) -> "CopyAudit":
    """Print the copy audit beside the same numbers for held-out rows, and give it.

    Args:
        folder: The artifact; the held-out rows lie in the training beside it, if it is there, as
            does the cache of their vectors.
    """
    rows = _rows(folder / "target.jsonl")
    training = SoftSRVFolder(folder.parent).training
    held_out = _rows(training / "held_out.jsonl")
    cache = training / "vectors.sqlite" if training.is_dir() else None
    embedder = load_embedder("default", cache=cache)
    total, done = len(samples) + len(rows) + len(held_out), 0

    def embed(texts: list[str]) -> "Vectors":
        nonlocal done
        parts = [embedder.vectors([])]
        for start in range(0, len(texts), _AT_ONCE):
            bar.update(done, total, "compared with what was trained on")
            parts.append(embedder.vectors(texts[start : start + _AT_ONCE]))
            done += len(parts[-1])
        return np.concatenate(parts)

    try:
        with Bar("text", quiet=quiet) as bar:
            result = copy_audit(samples, rows, [row.text for row in held_out], embed)
    finally:
        embedder.close()
    tell(f"  copied     {copy_shares(result['samples'])}")
    tell(f"  held out   {copy_shares(result['held_out'])}")
    return result


def _rows(path: Path) -> list[TargetRow]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [TargetRow(**json.loads(line)) for line in lines if line]
