"""What each stage of making questions has come to: `manifest.json` beside their files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metasynth.errors import RequestError
from metasynth.records.rundir import write_atomically


class Manifest:
    """Counts by stage; a stage is there when it has ended.

    Args:
        path: The file.
        identity: Names the settings that the stages were carried out with. Where the file tells of
            others, nothing of it counts, and `is_stale` is true.

    Raises:
        RequestError: The file cannot be read.
    """

    def __init__(self, path: Path, *, identity: str) -> None:
        self.path = path
        self._identity = identity
        told = _read(path)
        self.is_stale = bool(told) and told.get("identity") != identity
        self._stages: dict[str, Any] = {} if self.is_stale else dict(told.get("stages", {}))

    def __contains__(self, stage: object) -> bool:
        return stage in self._stages

    def __getitem__(self, stage: str) -> Any:
        return self._stages[stage]

    @property
    def stages(self) -> Mapping[str, Any]:
        """All that is known."""
        return dict(self._stages)

    def finish(self, stage: str, counts: Mapping[str, Any]) -> None:
        """A stage has ended with these counts."""
        self._stages[stage] = dict(counts)
        self.write()

    def write(self) -> None:
        """Replace the file; whatever other settings it told of is forgotten."""
        document = {"identity": self._identity, "stages": self._stages}
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, text + "\n")


def read_manifest(path: Path) -> Mapping[str, Any]:
    """The stages that a manifest tells of, whatever they were carried out with; {} without a file.

    Raises:
        RequestError: It cannot be read.
    """
    stages = _read(path).get("stages", {})
    return stages if isinstance(stages, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{path}: cannot be read ({error})",
            hint="remove it: the stages that it tells of are then carried out again",
            code="unreadable_file",
        ) from None
    if not isinstance(told, dict):
        raise RequestError(f"{path}: not a manifest", hint="remove it", code="not_a_manifest")
    return told
