"""A run directory as it lies there: read without taking it, so that a run may go on meanwhile."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from metasynth.config.instruct import INSTRUCT_GRAPHS
from metasynth.config.weights import is_weights
from metasynth.errors import ConfigError, MetaSynthError, RequestError
from metasynth.eval.report.data import Cost
from metasynth.memory.ledger import Ledger, Totals
from metasynth.records.record import Record
from metasynth.records.rundir import RunDirectory
from metasynth.yaml_text import read_yaml


@dataclass(frozen=True)
class RunFiles:
    """What a run directory holds.

    Attributes:
        label: The run's name, made unlike those of the others it stands beside.
        notes: What is wrong with the files, though they can be read.
    """

    directory: RunDirectory
    label: str
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    prompt_version: str
    accepted: tuple[Record, ...]
    rejected: tuple[Record, ...]
    cost: Cost
    agents: Mapping[str, Cost]
    notes: tuple[str, ...]

    @property
    def graph(self) -> str:
        """The graph that wrote the records."""
        return str(self.config.get("graph", "document"))

    def measured(self, record: Record) -> str:
        """The text that metrics and the map are of: of instructions what they ask, else all."""
        return record.question if self.graph in INSTRUCT_GRAPHS else record.body

    def setting(self, path: str, default: Any = None) -> Any:
        """A value of the run file by its path of keys."""
        place: Any = self.config
        for key in path.split("."):
            if not isinstance(place, Mapping) or place.get(key) is None:
                return default
            place = place[key]
        return place


def read_run(root: Path | str, *, taken: frozenset[str] = frozenset()) -> RunFiles:
    """Everything in a run directory that a report needs but vectors.

    Args:
        taken: Labels that other runs of the report have.

    Raises:
        RequestError: It is no run directory (code `no_run`), or its run.yaml cannot be read
            (`bad_run_file`).
        MetaSynthError: A line of its records (`bad_record`), or its ledger, is damaged.
    """
    root = Path(root)
    directory = RunDirectory(root)
    document = _run_file(directory.run_file)
    config = document["config"]
    notes: list[str] = []
    accepted = _records(root / "corpus.jsonl", notes)
    rejected = _records(root / "rejected.jsonl", notes)
    totals, by_agent, busy = _ledger(directory.ledger)
    models = {
        record_model for record in accepted for record_model in record.generation.models.values()
    }
    return RunFiles(
        directory=directory,
        label=_label(str(config.get("name", "run")), root, taken),
        config=config,
        versions={str(k): str(v) for k, v in (document.get("versions") or {}).items()},
        prompt_version=str(document.get("prompt_version", "")),
        accepted=accepted,
        rejected=rejected,
        cost=_cost(totals, models, busy),
        agents={agent: _cost(own, models) for agent, own in by_agent.items()},
        notes=tuple(notes),
    )


def _label(name: str, root: Path, taken: frozenset[str]) -> str:
    """The run's name, or with its folder's where another run has that name."""
    if name not in taken:
        return name
    label = f"{name} ({root.resolve().name})"
    number = 2
    while label in taken:
        label = f"{name} ({root.resolve().name}, {number})"
        number += 1
    return label


def _run_file(path: Path) -> dict[str, Any]:
    try:
        found = read_yaml(path)
    except ConfigError as error:
        if error.code == "missing_file":
            raise RequestError(
                f"{path.parent}: no run directory (it has no run.yaml)", code="no_run"
            ) from None
        raise RequestError(error.message, code="bad_run_file") from None
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise RequestError(
            f"{path}: not the run file of a run directory (no section `config`)",
            code="bad_run_file",
        )
    return found


def _records(path: Path, notes: list[str]) -> tuple[Record, ...]:
    """The records of a file; one that is being written in this moment is left out, and noted."""
    if not path.exists():
        return ()
    found = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                notes.append(f"The last line of {path.name} is not whole and was left out.")
                break
            try:
                found.append(Record.model_validate_json(line))
            except ValidationError as error:
                raise MetaSynthError(
                    f"{path}, line {number}: not a record ({error.errors()[0]['msg']})",
                    hint="restore the line from a copy, or remove it",
                    code="bad_record",
                ) from error
    return tuple(found)


def _ledger(path: Path) -> tuple[Totals, dict[str, Totals], float]:
    if not path.exists():
        return Totals(), {}, 0.0
    with closing(Ledger(path, read_only=True)) as ledger:
        return ledger.totals(), ledger.totals_by_agent(), ledger.busy_seconds()


def _cost(totals: Totals, models: set[str], busy: float | None = None) -> Cost:
    priced = totals.calls - totals.unpriced
    reason = ""
    if not totals.calls:
        reason = "no call was made"
    elif not priced and all(map(is_weights, models)):
        reason = "no price: the model runs on this machine"
    elif not priced:
        reason = "the run file names no prices"
    elif totals.unpriced:
        reason = f"{totals.unpriced:,} of {totals.calls:,} calls have no price and are left out"
    return Cost(
        calls=totals.calls,
        tokens_in=totals.tokens_in,
        tokens_out=totals.tokens_out,
        seconds=totals.seconds,
        busy_seconds=busy,
        usd=totals.usd if priced else None,
        usd_reason=reason,
    )
