"""A number from the seed and the row's id: the control of all others."""

from metasynth.randomness import generator
from metasynth.student.rows import StudentRow
from metasynth.student.scoring.criterion import KESSLER, criterion


@criterion("uniform in [0, 1), from the seed and the row's id", hard="high", source=KESSLER)
def random(row: StudentRow, seed: int) -> float:
    """Nothing is computed of the row."""
    return generator(seed, "random score", row.id).random()
