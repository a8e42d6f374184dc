"""What the seeds of a run were read from, file by file."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import tell

if TYPE_CHECKING:
    from metasynth.compose.plan import RunPlan

_SHOWN = 60  # files; of more the rest is counted by kind


def print_seeds(plan: "RunPlan") -> None:
    """How many seeds there are; of documents each file with its kind, words and chunks.

    What was left out is named with the reason.
    """
    tell(f"  seeds      {len(plan.seeds)}")
    report = plan.sources
    if not report.files and not report.left_out:
        return
    chunks = sum(file.chunks for file in report.files)
    words = sum(file.words for file in report.files)
    tell(f"    of {chunks:,} chunks with {words:,} words in {len(report.files)} files:")
    top = _top([file.path for file in report.files] + [str(one.path) for one in report.left_out])
    for file in report.files[:_SHOWN]:
        tell(f"    {_below(file.path, top)}: {', '.join(file.facts())}")
    rest = Counter(file.kind for file in report.files[_SHOWN:])
    if rest:
        tell(f"    and {', '.join(f'{count} more {kind}' for kind, count in rest.items())}")
    for one in report.left_out[:_SHOWN]:
        tell(f"    left out: {_below(str(one.path), top)} ({one.reason})")
    if len(report.left_out) > _SHOWN:
        tell(f"    left out: {len(report.left_out) - _SHOWN} more")


def _top(paths: list[str]) -> str:
    """The folder that all files are in; "" where there is one file, or none in a folder."""
    if len(paths) < 2 or not all(Path(path).is_absolute() for path in paths):
        return ""
    return os.path.commonpath([str(Path(path).parent) for path in paths])


def _below(path: str, top: str) -> str:
    return os.path.relpath(path, top) if top else path
