"""Real data sets beside the checkout; tests that read them are skipped where they are missing."""

import gzip
import json
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "shared" / "data"


def data_file(name: str) -> Path:
    """The path of a file such as `gsm8k/train.jsonl.gz`; skips the test where it is missing."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"the data set {name} is not here")
    return path


def data_texts(name: str, field: str) -> list[str]:
    """One field of every row of a file."""
    with gzip.open(data_file(name), "rt", encoding="utf-8") as lines:
        return [json.loads(line)[field] for line in lines]
