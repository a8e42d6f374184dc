"""Who may still be chosen: nobody twice, and only so many from one seed."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


class Allowance:
    """What is left of a pool while rows are taken from it; the one thing that selection changes.

    Args:
        size: Rows of the pool.
        seeds_of: The seed of each row; None where there is no cap.
        per_seed: At most so many rows of one seed; None is no cap.
    """

    def __init__(
        self, size: int, *, seeds_of: Sequence[str] | None = None, per_seed: int | None = None
    ) -> None:
        self._free = np.ones(size, dtype=np.bool_)
        self._seed: NDArray[np.intp] | None = None
        self._left = np.zeros(0, dtype=np.intp)
        if per_seed is not None:
            if seeds_of is None or len(seeds_of) != size:
                raise ValueError("a cap for each seed needs the seed of every row")
            codes: dict[str, int] = {}
            numbers = [codes.setdefault(seed, len(codes)) for seed in seeds_of]
            self._seed = np.array(numbers, dtype=np.intp)
            self._left = np.full(len(codes), per_seed, dtype=np.intp)

    @property
    def open(self) -> NDArray[np.bool_]:
        """Which rows may be taken, [N]; the caller may change what it gets."""
        if self._seed is None:
            return self._free.copy()
        is_open: NDArray[np.bool_] = self._free & (self._left[self._seed] > 0)
        return is_open

    @property
    def capacity(self) -> int:
        """How many rows can still be taken, whichever are taken first."""
        if self._seed is None:
            return int(self._free.sum())
        free_of_seed = np.bincount(self._seed[self._free], minlength=len(self._left))
        return int(np.minimum(free_of_seed, self._left).sum())

    def is_open(self, row: int) -> bool:
        """Whether `row` may be taken."""
        return bool(self._free[row]) and (
            self._seed is None or bool(self._left[self._seed[row]] > 0)
        )

    def take(self, row: int) -> None:
        """Take `row`, which must be open."""
        if not self.is_open(row):
            raise ValueError(f"row {row} is taken, or its seed is used up")
        self._free[row] = False
        if self._seed is not None:
            self._left[self._seed[row]] -= 1

    def take_open(self, rows: Iterable[int], n: int) -> list[int]:
        """Take the first `n` of `rows` that are open when their turn comes."""
        taken: list[int] = []
        for row in rows:
            if len(taken) == n:
                break
            if self.is_open(row):
                self.take(row)
                taken.append(row)
        return taken

    def part(self, rows: NDArray[np.intp]) -> "Allowance":
        """The allowance of some rows, counted from 0; what it takes of a seed counts here too.

        Only `close` tells this allowance which rows were taken.
        """
        part = Allowance(len(rows))
        part._free = self._free[rows]
        part._seed = None if self._seed is None else self._seed[rows]
        part._left = self._left  # shared on purpose: a seed's rows may lie in several parts
        return part

    def close(self, rows: NDArray[np.intp]) -> None:
        """Rows that a part took."""
        self._free[rows] = False

    def copy(self) -> "Allowance":
        """The same allowance, apart from this one."""
        other = Allowance(len(self._free))
        other._free, other._seed, other._left = self._free.copy(), self._seed, self._left.copy()
        return other
