"""The results of the study, a line for each run, and what is computed of them."""

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from metasynth.student.fidelity import Fidelity, Pair, score_fidelity
from metasynth.student.intervals import Interval, bootstrap, share

Run = dict[str, Any]
Curve = Sequence[float]

NEVER = 1e9
"""Rows needed where the level is not reached; larger than any number of rows."""


def append_run(path: Path, run: Run) -> None:
    """Add a run to the file; processes that do so at once do not mix their lines."""
    line = json.dumps(run).encode() + b"\n"
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.tell() and not _ends_whole(path):
            line = b"\n" + line  # the line of a process that was killed stays alone
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_runs(path: Path, plan: str) -> list[Run]:
    """The runs of a plan, each once; a line that was cut off is left out."""
    found: dict[tuple[str, str, int], Run] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            run = json.loads(line)
        except ValueError:
            continue
        if run["plan"] == plan:
            found.setdefault((run["pool"], run["arm"], run["start"]), run)
    return [found[key] for key in sorted(found)]


def curves(runs: Sequence[Run], pool: str, arm: str) -> dict[int, list[float]]:
    """Of each start the accuracy before the first round and after each."""
    return {
        run["start"]: [one["accuracy"] for one in run["rounds"]]
        for run in runs
        if run["pool"] == pool and run["arm"] == arm
    }


def area(curve: Curve) -> float:
    """The mean height of a curve, by trapezoids."""
    return (sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1)


def rows_to_reach(rows: Sequence[float], curve: Curve, level: float) -> float:
    """Where a curve first reaches a level, straight between its points; `NEVER` if nowhere."""
    if curve[0] >= level:
        return rows[0]
    for n in range(1, len(curve)):
        if curve[n] >= level:
            part = (level - curve[n - 1]) / (curve[n] - curve[n - 1])
            return rows[n - 1] + part * (rows[n] - rows[n - 1])
    return NEVER


def paired(one: dict[int, float], other: dict[int, float], *, seed: int = 0) -> Interval:
    """The mean difference over the starts that both have, resampled by start."""
    starts = sorted(one.keys() & other.keys())
    apart = np.array([one[start] - other[start] for start in starts])
    return bootstrap(lambda drawn: float(apart[drawn].mean()), len(starts), seed=seed)


def rows_needed(
    rows: Sequence[float],
    arm: dict[int, list[float]],
    static: dict[int, list[float]],
    *,
    seed: int = 0,
) -> Interval:
    """Rows until the arm's mean curve has the static arm's mean final accuracy.

    Starts are resampled, with both arms' curves together.
    """
    starts = sorted(arm.keys() & static.keys())
    own = np.array([arm[start] for start in starts])
    level = np.array([static[start][-1] for start in starts])

    def statistic(drawn: Any) -> float:
        return rows_to_reach(rows, own[drawn].mean(0).tolist(), float(level[drawn].mean()))

    return bootstrap(statistic, len(starts), seed=seed)


def over_items(runs: Sequence[Run], pool: str, arm: str) -> Interval | None:
    """The final accuracy over the test items of all starts; None where runs do not tell of them."""
    last = [run["rounds"][-1] for run in runs if (run["pool"], run["arm"]) == (pool, arm)]
    if not last or not all("tested" in one for one in last):
        return None
    hits = sum(round(one["accuracy"] * one["tested"]) for one in last)
    return share(hits, sum(one["tested"] for one in last))


def fidelity_of(runs: Sequence[Run], pool: str, arm: str) -> Fidelity | None:
    """How well parents' scores tell their children's; a set is a round of a start."""
    pairs = [
        Pair(f"start {run['start']}, round {n}", f"{run['start']}/{n}/{place}", parent, child)
        for run in runs
        if (run["pool"], run["arm"]) == (pool, arm)
        for n, one in enumerate(run["rounds"])
        for place, (parent, child) in enumerate(one.get("pairs") or ())
    ]
    return score_fidelity(pairs, seed=0) if pairs else None


def mean_of(runs: Sequence[Run], pool: str, arm: str, name: str) -> list[float]:
    """The mean over the starts of something that each round tells, without those that do not."""
    some = [run["rounds"] for run in runs if run["pool"] == pool and run["arm"] == arm]
    told = [[one[name] for one in column] for column in zip(*some, strict=True)]
    return [fmean(values) for values in told if None not in values]


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
