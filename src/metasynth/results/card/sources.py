"""What a run started from, followed back through the runs that wrote its documents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metasynth.errors import ConfigError
from metasynth.records.documents import corpus_file
from metasynth.yaml_text import read_yaml

_MOST_RUNS = 8  # a chain of runs that is longer, or bites its own tail, ends here


class Source(NamedTuple):
    """One thing that a run started from, and the licence that its run file names for it."""

    told: str
    license: str = ""


def sources_of(config: Mapping[str, Any]) -> list[Source]:
    """What the run of this run file started from, then what that was made from, and so on."""
    found: list[Source] = []
    current: Mapping[str, Any] | None = config
    while current is not None and len(found) < _MOST_RUNS:
        source, current = _source(current)
        found.append(source)
    return found


def _source(config: Mapping[str, Any]) -> tuple[Source, Mapping[str, Any] | None]:
    """The run's own source, and the configuration of the run that wrote it, where one did."""
    seeds = config.get("seeds") or {}
    known = str(seeds.get("license") or "")
    if documents := seeds.get("documents"):
        before = _run_of(str(documents))
        if before is not None:
            told = f"the accepted records of the run `{before.get('name', '?')}`"
            return Source(f"{told}, graph `{before.get('graph', 'document')}`", known), before
        hub = str(documents).startswith("hf:")
        name = str(documents) if hub else Path(str(documents)).name
        place = "the hub's data set" if hub else "documents in"
        return Source(f"{place} `{name}`", known), None
    if keywords := seeds.get("keywords"):
        return Source(f"{len(keywords):,} keyword sets in the run file", known), None
    if file := seeds.get("keywords_file"):
        return Source(f"keyword sets in `{Path(str(file)).name}`", known), None
    for section, key, inner in (("softsrv", "target", "file"), ("active", "pool", "path")):
        given = ((config.get(section) or {}).get(key) or {}).get(inner)
        if given:
            return Source(f"rows of `{Path(str(given)).name}` ({section}.{key})", known), None
    return Source("nothing that the run file names", known), None


def _run_of(documents: str) -> Mapping[str, Any] | None:
    """The configuration of the run whose records these documents are; None where they are not."""
    try:
        corpus = corpus_file(documents)
        if corpus is None:
            return None
        found = read_yaml(corpus.parent / "run.yaml")
    except (OSError, ConfigError):
        return None  # the files of an earlier run may have gone since
    config = found.get("config") if isinstance(found, dict) else None
    return config if isinstance(config, dict) else None
