"""A file of JSON lines that only grows: what a run has decided, in the order of its decisions.

A line is on the disk, as a whole, before `append` returns; see `metasynth.memory.lines`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from metasynth.errors import MetaSynthError

from .lines import LineFile


class Journal:
    """One writer's journal.

    Raises:
        RequestError: The file cannot be written (code `not_writable`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = LineFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def entries(self) -> Iterator[dict[str, Any]]:
        """What was written, in its order, read one line at a time.

        Raises:
            MetaSynthError: A whole line is no JSON object (code `bad_line`); names the line.
        """
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if not isinstance(entry, dict):
                    raise MetaSynthError(
                        f"{self.path}, line {number}: not a JSON object",
                        hint="restore the line from a copy, or remove it and run again",
                        code="bad_line",
                    )
                yield entry

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one entry.

        Raises:
            MetaSynthError: The disk takes no more; nothing of the entry is left then.
        """
        self.extend([entry])

    def extend(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Write entries, which costs no more time than one; a kill leaves the first of them.

        Raises:
            MetaSynthError: The disk takes no more; nothing of the entries is left then.
        """
        lines = [json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries]
        self._lines.append(b"".join(lines))
