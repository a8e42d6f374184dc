"""Rows in tokens, and which of them make the batch of a step.

A step's number alone decides its batch, so a training that is resumed goes through the same batches
as one that was never stopped, and every candidate of a search sees the same ones.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from metasynth.randomness import generator

_POOL = 16  # batches whose rows are sorted by length together: little padding, much chance


class TokenRows:
    """Texts as tokens, each with its context vector.

    Args:
        ids: The tokens of each row, the end token included.
        z: Context vectors [n, d_e] of the rows.
    """

    def __init__(self, ids: Sequence[Sequence[int]], z: Tensor) -> None:
        self.lengths = [len(one) for one in ids]
        self.z = z
        self._ids = [torch.tensor(one, dtype=torch.long) for one in ids]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def mean_length(self) -> float:
        """Tokens of a row, the end token included."""
        return sum(self.lengths) / len(self.lengths)

    def padded(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Tokens [B, L] of some rows, padded at the right, and their lengths [B], on the CPU."""
        ids = torch.nn.utils.rnn.pad_sequence([self._ids[row] for row in rows], batch_first=True)
        return ids, torch.tensor([self.lengths[row] for row in rows])

    def first(self, count: int) -> "TokenRows":
        """The first rows, at most `count`."""
        return TokenRows([ids.tolist() for ids in self._ids[:count]], self.z[:count])


class BatchPlan:
    """Rows of like length for each step, every row at most once in a round over the data.

    In a round the rows are shuffled; those that do not fill a batch sit it out, other ones each
    time. Fewer rows than a batch make one batch together.

    Args:
        lengths: Of the rows, in tokens.
        size: Rows of a batch.
        seed: Decides everything, with a step's number.
    """

    def __init__(self, lengths: Sequence[int], *, size: int, seed: int) -> None:
        self._lengths = lengths
        self._seed = seed
        self.size = min(size, len(lengths))
        self.batches = len(lengths) // self.size  # of a round
        self._round = lru_cache(maxsize=1)(self._shuffled)

    def rows(self, step: int) -> list[int]:
        """The rows of step number `step` (from 0), the shortest first."""
        number, place = divmod(step, self.batches)
        return self._round(number)[place]

    def _shuffled(self, number: int) -> list[list[int]]:
        random = generator(self._seed, "batches", number)
        order = list(range(len(self._lengths)))
        random.shuffle(order)
        batches: list[list[int]] = []
        for pool in _parts(order[: self.batches * self.size], _POOL * self.size):
            alike = sorted(pool, key=lambda row: self._lengths[row])
            batches += _parts(alike, self.size)
        random.shuffle(batches)
        return batches


def parts_by_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """All rows in parts of at most `size`, rows of like length together."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    return list(_parts(order, size))


def _parts(rows: list[int], size: int) -> Iterator[list[int]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
