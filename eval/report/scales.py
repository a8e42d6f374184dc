"""Scales of charts: from values to places, with ticks at round numbers."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from .numbers import short, value


class Scale(NamedTuple):
    """From values between `low` and `high` to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, number: float) -> float:
        """The place of a value."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        part = (number - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def spanning(numbers: Iterable[float], start: float, end: float, *, margin: float = 0.0) -> Scale:
    """A scale that holds all the numbers, with a share of their range left free at both ends."""
    values = list(numbers) or [0.0, 1.0]
    low, high = min(values), max(values)
    free = margin * (high - low)
    return Scale(low - free, high + free, start, end)


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round numbers from `low` to `high`, at most so many of them."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def tick_labels(numbers: list[float]) -> list[str]:
    """The ticks as people read them, all with as many decimals."""
    if not numbers or max(map(abs, numbers)) >= 1e4:
        return [short(number) for number in numbers]
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 0
    if not step:
        return [value(number) for number in numbers]
    decimals = max(0, -math.floor(math.log10(abs(step)) + 1e-9))
    return [f"{number:,.{decimals}f}" for number in numbers]
