"""Curves of a run: what its trainings lost, what its rounds gained, what the student scored."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metasynth.eval import Chart, Point, Series
from metasynth.records import Record

from .softsrv_folder import SoftSRVFolder

Row = Mapping[str, Any]


def steering_charts(root: Path) -> Iterator[Chart]:
    """The training of the soft prompt, from RUN/softsrv."""
    rows = list(_rows(SoftSRVFolder(root).training / "curves.jsonl"))
    losses = [
        Series("held out", _points(rows, "step", "held_out_nll")),
        Series("training", _points(rows, "step", "train_nll")),
    ]
    if any(series.points for series in losses):
        yield Chart(
            "Loss of the soft prompt",
            x="step",
            y="nats a token",
            series=_present(losses),
            group="Soft prompt",
        )
    gap = _points(rows, "step", "shuffled_gap", error="shuffled_gap_error")
    if gap:
        yield Chart(
            "What the context is worth",
            x="step",
            y="nats a token",
            series=(Series("loss with another row's context minus its own", gap),),
            note="± one standard error; 0: the prompt ignores its context.",
            group="Soft prompt",
        )


def student_charts(root: Path) -> Iterator[Chart]:
    """The student's trainings and what it scored after each round, from RUN/student."""
    rounds = [row for path in _round_files(root) if (row := _read(path)) is not None]
    yield from _gains(rounds)
    losses = []
    for path in sorted(root.glob("**/steps.jsonl")):
        points = _points(list(_rows(path)), "step", "loss")
        name = next((p.name for p in path.parents if p.name.startswith("round-")), path.parent.name)
        if points:
            losses.append(Series(name.replace("-", " "), points))
    if losses:
        yield Chart(
            "Training loss of the student",
            x="step",
            y="nats a target token",
            series=tuple(losses),
            group="Student",
        )


def _round_files(root: Path) -> list[Path]:
    return sorted(root.glob("round-*/round.json"))


def _gains(rounds: Sequence[Row]) -> Iterator[Chart]:
    """Accuracy on the test rows by round, with its interval."""
    points = []
    for row in rounds:
        found = row.get("evaluation") or {}
        number, measured = row.get("round", row.get("number")), found.get("accuracy")
        if isinstance(number, int) and isinstance(measured, int | float):
            low, high = found.get("interval") or (None, None)
            points.append(Point(number, measured, low, high))
    if points:
        yield Chart(
            "What the student can do",
            x="round",
            y="share of test rows right",
            series=(Series("accuracy", tuple(points)),),
            note="Round 0: before any training. Bars: 95 % interval.",
            group="Student",
        )


def score_charts(accepted: Sequence[Record], rejected: Sequence[Record]) -> Iterator[Chart]:
    """What the student scored the candidates, in the order in which they ended."""
    scored = [
        (record.created_at, record.id, record, kept)
        for records, kept in ((accepted, True), (rejected, False))
        for record in records
        if record.student is not None
    ]
    for criterion in sorted({r.student.criterion for _, _, r, _ in scored if r.student}):
        mine = sorted(
            row for row in scored if row[2].student and row[2].student.criterion == criterion
        )
        sides: dict[bool, list[Point]] = {True: [], False: []}
        for place, (_, _, record, kept) in enumerate(mine, start=1):
            if record.student is not None:
                sides[kept].append(Point(place, record.student.score))
        series = [
            Series("let in", tuple(sides[True]), kind="dots"),
            Series("refused", tuple(sides[False]), kind="rings"),
        ]
        yield Chart(
            f"Score of the candidates: {criterion}",
            x="candidate, in the order of arrival",
            y="score",
            series=_present(series),
            group="Let in",
        )


def _present(series: Sequence[Series]) -> tuple[Series, ...]:
    return tuple(one for one in series if one.points)


def _points(rows: Sequence[Row], x: str, y: str, *, error: str = "") -> tuple[Point, ...]:
    points = []
    for row in rows:
        at, value = row.get(x), row.get(y)
        if not isinstance(at, int | float) or not isinstance(value, int | float):
            continue
        spread = row.get(error) if error else None
        if isinstance(spread, int | float):
            points.append(Point(at, value, value - spread, value + spread))
        else:
            points.append(Point(at, value))
    return tuple(points)


def _rows(path: Path) -> Iterator[Row]:
    """The rows of a file that may be written to at this moment."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


def _read(path: Path) -> Row | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
