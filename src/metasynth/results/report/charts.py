"""Curves of a run: what its trainings lost, what its rounds gained, what the student scored."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metasynth.eval.report.data import Chart, Point, Series
from metasynth.records.record import Record
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.student.rounds_folder import RoundsFolder

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
    """The student's trainings and what it was worth after each round, from RUN/student."""
    rounds = list(RoundsFolder(root).reports())
    if points := _by_round(rounds, "accuracy"):
        yield Chart(
            "What the student can do",
            x="round",
            y="share of the test rows right",
            series=(Series("accuracy", points),),
            note="Round 0: before any training. Bars: 95 % intervals.",
            group="Student",
        )
    if points := _by_round(rounds, "loss"):
        yield Chart(
            "Loss on the test rows",
            x="round",
            y="nats a token",
            series=(Series("loss", points),),
            note="Of the rows' own answers. Bars: 95 % intervals.",
            group="Student",
        )
    losses = []
    for path in sorted(root.glob("**/steps.jsonl")):
        if points := _points(list(_rows(path)), "step", "loss"):
            name = next((p.name for p in path.parents if p.name.startswith("round-")), "training")
            losses.append(Series(name.replace("-0", " ").replace("-", " "), points))
    if losses:
        yield Chart(
            "Training loss of the student",
            x="step",
            y="nats a target token",
            series=tuple(losses),
            group="Student",
        )


def _by_round(rounds: Sequence[Row], name: str) -> tuple[Point, ...]:
    """A figure of the evaluation, with its interval, by round."""
    points = []
    for row in rounds:
        found = (row.get("evaluation") or {}).get(name)
        if found and found[0] is not None:
            points.append(Point(row["round"], *found))
    return tuple(points)


def score_charts(accepted: Sequence[Record], rejected: Sequence[Record]) -> Iterator[Chart]:
    """What the student scored the candidates, in the order in which they ended."""
    scored = sorted(
        (record.created_at, record.id, record.student, record.reason is None)
        for record in (*accepted, *rejected)
        if record.student is not None
    )
    for criterion in sorted({score.criterion for _, _, score, _ in scored}):
        mine = [(score, kept) for _, _, score, kept in scored if score.criterion == criterion]
        numbered = list(enumerate(mine, start=1))
        series = [
            Series(
                "let in",
                tuple(Point(place, score.score) for place, (score, kept) in numbered if kept),
                kind="dots",
            ),
            Series(
                "refused",
                tuple(Point(place, score.score) for place, (score, kept) in numbered if not kept),
                kind="rings",
            ),
            Series(
                "held against",
                tuple(
                    Point(place, score.threshold)
                    for place, (score, _) in numbered
                    if score.threshold is not None
                ),
                quiet=True,
            ),
        ]
        yield Chart(
            f"{criterion} of each candidate",
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
