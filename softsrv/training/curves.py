"""The file of a training's evaluations, `curves.jsonl`."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from metasynth.records.rundir import write_atomically


@dataclass(frozen=True)
class CurvePoint:
    """A line of `curves.jsonl`; fields as in `Evaluation`.

    Attributes:
        step: Steps taken.
        train_nll: Mean over the steps since the point before; None at the first.
        tokens: Soft and text tokens that training has put through the model.
        seconds: Spent since the training began, over all its starts.
    """

    step: int
    train_nll: float | None
    held_out_nll: float
    first5_nll: float
    shuffled_gap: float
    shuffled_gap_error: float
    mixture_entropy: float | None
    output_norm: float
    embedding_norm: float
    learning_rate: float
    tokens: int
    seconds: float


class CurveFile:
    """`curves.jsonl`: a line for each evaluation.

    Args:
        path: The file; it need not be there.
        upto: Later steps are cut off: a training that is resumed takes them again.
    """

    def __init__(self, path: Path, *, upto: int) -> None:
        self._path = path
        self.points = [point for point in read_curves(path) if point.step <= upto]
        write_atomically(path, "".join(map(_line, self.points)))

    def append(self, point: CurvePoint) -> None:
        """Write a point."""
        self.points.append(point)
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(_line(point))


def read_curves(path: Path) -> list[CurvePoint]:
    """The points of a file; half a last line, which a kill may leave, is none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    names = {field.name for field in fields(CurvePoint)}
    found = [json.loads(line) for line in lines]
    return [CurvePoint(**one) for one in found if set(one) == names]


def _line(point: CurvePoint) -> str:
    told = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(point).items()
    }
    return json.dumps(told, allow_nan=False) + "\n"
