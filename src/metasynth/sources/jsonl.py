"""JSON lines: `.jsonl`, `.ndjson`, gzipped or not."""

import json
from collections.abc import Iterator
from pathlib import Path

from .lines import MAX_LINE_BYTES, lines
from .row import Row


def jsonl_rows(file: Path, *, encoding: str = "utf-8", most: int = MAX_LINE_BYTES) -> Iterator[Row]:
    """A row a line; lines that are blank are skipped."""
    for line in lines(file, encoding=encoding, most=most):
        place = f"{file}, line {line.number}"
        if line.problem:
            yield Row(place, line.number, None, line.problem, line.code)
            continue
        text = line.text.strip().strip("\ufeff")
        if not text:
            continue
        try:
            yield Row(place, line.number, json.loads(text))
        except (ValueError, RecursionError):  # a number of 5,000 digits is a ValueError as well
            yield Row(place, line.number, None, "not JSON", "not_json")
