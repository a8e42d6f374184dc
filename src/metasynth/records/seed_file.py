"""The seeds of a run as they were read, kept in its directory: a file may change, or go."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from metasynth.errors import MetaSynthError
from metasynth.sources.passage import Place

from .rundir import write_atomically
from .seeds import Seed


def write_seeds(path: Path, seeds: Iterable[Seed]) -> None:
    """Write a seed a line: id, text with its hash, keywords, of a document place and metadata."""
    write_atomically(path, "".join(_line(seed) for seed in seeds))


def read_seeds(path: Path, ids: Collection[str] | None = None) -> list[Seed]:
    """The seeds with these ids, all of them where None is given; [] where there is no file.

    Raises:
        MetaSynthError: A line is none (code `bad_seed`).
    """
    if not path.exists():
        return []
    seeds = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                if ids is None or row["id"] in ids:
                    seeds.append(_seed(row))
            except (ValueError, TypeError, KeyError):
                raise MetaSynthError(
                    f"{path}, line {number}: not a seed", code="bad_seed"
                ) from None
    return seeds


def _line(seed: Seed) -> str:
    text = seed.text.encode("utf-8", "surrogatepass")
    row: dict[str, Any] = {"id": seed.id}
    if seed.place is not None:
        row["place"] = {
            name: value
            for name in Place.__dataclass_fields__
            if (value := getattr(seed.place, name)) not in (None, "")
        }
    if seed.keywords:
        row["keywords"] = seed.keywords
    if seed.metadata:
        row["metadata"] = seed.metadata
    row |= {"sha256": hashlib.sha256(text).hexdigest(), "text": seed.text}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _seed(row: dict[str, Any]) -> Seed:
    place = Place(**row["place"]) if "place" in row else None
    return Seed(
        str(row["id"]),
        str(row["text"]),
        tuple(row.get("keywords", ())),
        place=place,
        metadata=row.get("metadata", {}),
    )
