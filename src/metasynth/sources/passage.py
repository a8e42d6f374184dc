"""A text with the place that it was read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands, as a person would look it up.

    Attributes:
        file: Its path, or `hf:NAME`.
        kind: Of file: `markdown`, `pdf`, `csv`, …
        page: Of a PDF, from 1.
        row: Of a file of rows: the line, or the number of the row, from 1.
        heading: The headings above it, the outermost first, as `Roasting > Cooling`.
        start: Of the page's, the row's or the file's text, in characters.
        end: One behind its last character.
    """

    file: str
    kind: str
    page: int | None = None
    row: int | None = None
    heading: str = ""
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        parts = [self.file]
        if self.page is not None:
            parts.append(f"page {self.page}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.heading:
            parts.append(f"“{self.heading}”")
        return ", ".join([*parts, f"characters {self.start} to {self.end}"])


@dataclass(frozen=True, slots=True)
class Passage:
    """A text, its place, and what its file says of itself (a note's front matter)."""

    text: str
    place: Place
    metadata: Mapping[str, Any] = field(default_factory=dict)
