"""RUN/student/round-NN: what a round keeps, stage by stage."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from metasynth.errors import MetaSynthError
from metasynth.records.rundir import write_atomically

_ID = re.compile(r"[^-]+-r(\d+)(?:s(\d+))?-(\d+)")


class RoundFolder:
    """The places of one round; round 0 is the student before any training.

    Attributes:
        began: What had been spent when the round began.
        scores: Of the pool, by the student as it is at the beginning; grows row by row.
        selected: A line for each row that is asked for: seeds, score, context.
        contexts: SoftSRV's context vectors, one a row.
        drawn: What SoftSRV's soft prompt gave for them.
        children: Scores of what was admitted.
        trained: The student that came of the round.
        losses: Of the test rows' own answers, by that student.
        answers: What it answered, and whether that was right.
        evaluation: The figures that follow from both.
        report: All of the round's figures; it is there when the round has ended.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.began = root / "began.json"
        self.scores = root / "scores.jsonl"
        self.selected = root / "selected.jsonl"
        self.contexts = root / "contexts.safetensors"
        self.drawn = root / "drawn.jsonl"
        self.children = root / "children.jsonl"
        self.trained = root / "trained"
        self.losses = root / "test-losses.jsonl"
        self.answers = root / "test-answers.jsonl"
        self.evaluation = root / "evaluation.json"
        self.report = root / "round.json"

    def make(self) -> None:
        """Make it where it is missing."""
        self.root.mkdir(parents=True, exist_ok=True)

    def reopen(self) -> None:
        """Take back what followed a round that was cut short, so that it can be gone on with."""
        self.report.unlink(missing_ok=True)
        for file in (self.children, self.losses, self.answers, self.evaluation):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.trained, ignore_errors=True)

    @property
    def is_begun(self) -> bool:
        """Whether the round's rows were chosen, and its figures are still to come."""
        return self.selected.exists() and not self.report.exists()

    @property
    def is_whole(self) -> bool:
        """Whether the round has ended, with all the rows that it asked for."""
        report = read_json(self.report)
        return report is not None and not report["stopped_because"]


class RoundsFolder:
    """All rounds of a run.

    Args:
        root: RUN/student.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._identity = root / "rounds.identity"

    def claim(self, identity: str) -> None:
        """Throw away the rounds of other settings.

        The run directory holds no record that was made with those, or it would have been refused.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        known = self._identity.read_text(encoding="utf-8") if self._identity.exists() else identity
        if known != identity:
            for folder in self.root.glob("round-*"):
                shutil.rmtree(folder)
        write_atomically(self._identity, identity)

    def round(self, number: int) -> RoundFolder:
        """The folder of a round."""
        return RoundFolder(self.root / f"round-{number:02d}")

    def seed_text(self, record_id: str) -> str:
        """The problem that a record was written from; "" where it is not known."""
        found = place_of(record_id)
        if found is None:
            return ""
        path = RoundFolder(self.root / f"round-{found[0]:02d}").selected
        rows = read_lines(path) if path.exists() else []
        return next((str(row["text"]) for row in rows if row["place"] == found[1]), "")

    def reports(self) -> Iterator[dict[str, Any]]:
        """The figures of the rounds that have ended, in their order; round 0 has but a test."""
        for path in sorted(self.root.glob("round-*")):
            folder = RoundFolder(path)
            if (report := read_json(folder.report)) is not None:
                yield report
            elif (
                path.name == "round-00" and (evaluation := read_json(folder.evaluation)) is not None
            ):
                yield {"round": 0, "evaluation": evaluation}


def place_of(record_id: str) -> tuple[int, int] | None:
    """Round and place of a record; None for one that no round asked for."""
    found = _ID.fullmatch(record_id)
    return None if found is None else (int(found[1]), int(found[2] or found[3]))


def read_json(path: Path) -> dict[str, Any] | None:
    """What a file of ours holds; None where there is none.

    Raises:
        MetaSynthError: It is no JSON object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise MetaSynthError(
            f"{path}: not a JSON object", hint="remove it and run again", code="not_an_object"
        )
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object, whole or not at all."""
    write_atomically(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    """Write objects, one a line, all or none."""
    write_atomically(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in values))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file that `write_lines` wrote."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
