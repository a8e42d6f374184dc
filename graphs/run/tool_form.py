"""How the conductor's model is offered tools: as such, or as a JSON schema."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from metasynth.records.rundir import write_atomically

_LOG = logging.getLogger("metasynth")


class ToolForm:
    """Native calls or JSON by schema; with `auto` the first answer without a call decides.

    Args:
        tools: `conductor.tools` of the run file.
        path: Remembers over starts that a run has fallen back; None keeps it in memory.

    Attributes:
        by_schema: Whether calls are asked for as JSON.
        tell: Gets the line that says so.
    """

    def __init__(
        self, tools: Literal["auto", "native", "schema"], path: Path | None = None
    ) -> None:
        self.tell: Callable[[str], object] = _LOG.warning
        self._auto = tools == "auto"
        self._path = path
        remembered = self._auto and path is not None and path.exists()
        self.by_schema = tools == "schema" or remembered
        self._has_told = False

    def fall_back(self, model: str) -> bool:
        """Ask by schema from now on; False where the run file says how tools are offered."""
        if not self._auto:
            return False
        if not self.by_schema:
            self.by_schema = True
            if self._path is not None:
                write_atomically(self._path, json.dumps({"tools": "schema", "model": model}) + "\n")
            if not self._has_told:
                self.tell(
                    f"{model} answered without a tool call: calls are asked for as JSON from now "
                    "on (conductor.tools: schema)"
                )
            self._has_told = True
        return True

    def go_back(self) -> None:
        """Offer tools as such again: no call came by schema either, so the model only talked."""
        if self._auto and self.by_schema:
            self.by_schema = False
            if self._path is not None:
                self._path.unlink(missing_ok=True)
