"""RUN/softsrv: what SoftSRV keeps of a run, and whose settings it was made with."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasynth.records.rundir import write_atomically

if TYPE_CHECKING:
    from .manifest import Manifest
    from .target import TargetRow


def artifact_in(path: Path) -> Path:
    """The artifact itself, whether it or the folder of its training was named."""
    inner = SoftSRVFolder(path).artifact
    return inner if (inner / "config.json").is_file() else path


class SoftSRVFolder:
    """The places in the folder.

    Attributes:
        contexts: What questions were sampled with: target rows with their ids.
        samples: Every sample, as it came.
        candidates: What post-processing kept.
        artifact: The soft prompt that the run trained.
        training: The training's own folder.
        vectors: Context vectors by text.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifest = root / "manifest.json"
        self.contexts = root / "contexts.jsonl"
        self.samples = root / "samples.jsonl"
        self.candidates = root / "candidates.jsonl"
        self.artifact = root / "artifact"
        self.training = root / "training"
        self.vectors = root / "vectors.sqlite"
        self._trained = root / "training.identity"

    def claim(self, identity: str, *, training: str) -> "Manifest":
        """The manifest of the run whose questions and training have these names.

        What other settings made is thrown away: the run directory held no record that was made with
        them, or it would have been refused. A soft prompt stays where only later stages changed.
        """
        from .manifest import Manifest

        manifest = Manifest(self.manifest, identity=identity)
        if manifest.is_stale:
            for file in (self.contexts, self.samples, self.candidates):
                file.unlink(missing_ok=True)
        manifest.write()
        if self._trained.exists() and self._trained.read_text(encoding="utf-8") != training:
            for folder in (self.artifact, self.training):
                shutil.rmtree(folder, ignore_errors=True)
        write_atomically(self._trained, training)
        return manifest

    def write_contexts(self, rows: "Iterable[TargetRow]") -> None:
        """Keep the texts of the contexts, so that a record's story can be told."""
        if not self.contexts.exists():
            lines = (json.dumps({"id": row.id, "text": row.text}) + "\n" for row in rows)
            write_atomically(self.contexts, "".join(lines))

    def context_text(self, context_id: str) -> str | None:
        """The text of a context; None where it is not kept."""
        for row in _rows(self.contexts):
            if row["id"] == context_id:
                return str(row["text"])
        return None


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
