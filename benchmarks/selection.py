"""Seconds and memory of choosing 1,000 of 100,000 rows, beside the plain way on a slice.

    python -m benchmarks.selection [--rows 100000] [--width 384] [--choose 1000]

Embeddings are unit vectors around 200 centres; gradients keep 64 tokens of a vocabulary of 50,000,
drawn by Zipf's law. What is measured is `select`, with putting the pool in order. There is no
distance matrix; the memory of one is printed beside.

The plain ways are what one writes first, and what the released code of BADGE (JordanAsh/badge)
does: distances of all rows to all chosen ones at every step, and gradients as outer products, on a
vocabulary that is small enough to hold them. Ours and the plain way get the same slice, one thread
each, and k-center must choose the same rows. Each line is a process of its own: seconds by the
clock, seconds of the processor (which other programs do not lengthen), and the most memory held,
with the data, whose size is given apart.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.config.student import SelectionConfig, Strategy
from metasynth.student.selection.gradients import GradientEmbeddings
from metasynth.student.selection.selection import select
from metasynth.vectors.cluster import one_thread

Vectors = NDArray[np.float32]
TOKENS = 64
VOCABULARY = 50_000
SMALL_VOCABULARY = 50
PART = 4096  # rows that are made together


@dataclass(frozen=True)
class Size:
    """What is chosen from, and how many."""

    rows: int
    width: int
    choose: int
    vocabulary: int = VOCABULARY


@dataclass(frozen=True)
class Taken:
    """What a choice took."""

    chosen: list[int]
    seconds: float
    processor_seconds: float
    peak: float  # MiB
    data: float  # MiB

    def __str__(self) -> str:
        times = f"{self.seconds:8.1f} s  {self.processor_seconds:8.1f} s of processor"
        return f"{times}  {self.peak:7.0f} MiB at most, {self.data:.0f} before"


def embeddings(size: Size) -> Vectors:
    """Unit vectors around 200 centres, the same every time; made in parts, to need no more room."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, size.width), dtype=np.float32)
    points = rng.standard_normal((size.rows, size.width), dtype=np.float32)
    for start in range(0, size.rows, PART):
        part = points[start : start + PART]
        part *= 0.5
        part += centres[rng.integers(200, size=len(part))]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return points


def gradients(size: Size) -> GradientEmbeddings:
    """One place a row: the likeliest tokens' probabilities less the label, the first."""
    rng = np.random.default_rng(1)
    kept = min(TOKENS, size.vocabulary)
    ids = np.empty((size.rows, kept), dtype=np.int32)
    q = np.empty((size.rows, kept), dtype=np.float32)
    for start in range(0, size.rows, PART):
        part = ids[start : start + PART]
        part[:] = rng.zipf(1.2, size=part.shape) % size.vocabulary
        q[start : start + PART] = rng.dirichlet(np.full(kept, 0.1), size=len(part))
    q[:] = -np.sort(-q, axis=1)
    q[:, 0] -= 1
    return GradientEmbeddings(
        q=q,
        token_ids=ids,
        label_column=np.zeros(size.rows, dtype=np.int32),
        h=embeddings(size),
        starts=np.arange(size.rows + 1),
    )


def plain_k_center(points: Vectors, n: int) -> list[int]:
    """The distances of all rows to all chosen ones, at every step."""
    wide = points.astype(np.float64)
    chosen = [int(((wide - wide.mean(0)) ** 2).sum(1).argmin())]
    while len(chosen) < n:
        centres = wide[chosen]
        distance = (wide**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * wide @ centres.T
        nearest = distance.min(1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


def plain_badge(factors: GradientEmbeddings, n: int) -> list[int]:
    """Gradients as they are, V x d numbers a row, and a pass over them for each choice."""
    q = np.zeros((len(factors), SMALL_VOCABULARY), dtype=np.float32)
    np.add.at(q, (np.arange(len(q))[:, None], factors.token_ids), factors.q)
    whole = (q[:, :, None] * factors.h[:, None, :]).reshape(len(q), -1)
    rng = np.random.default_rng(0)
    chosen = [int((whole**2).sum(1).argmax())]
    nearest = np.full(len(whole), np.inf)
    while len(chosen) < n:
        nearest = np.minimum(nearest, ((whole - whole[chosen[-1]]) ** 2).sum(1, dtype=np.float64))
        chosen.append(int(rng.choice(len(whole), p=nearest / nearest.sum())))
    return chosen


Choice = Callable[[Any, int], list[int]]
Data = Callable[[Size], Any]


def ours(strategy: Strategy, data: Any, n: int) -> list[int]:
    """`select` with rows named in their order."""
    ids = [f"{row:09}" for row in range(len(data))]
    kind = "gradients" if isinstance(data, GradientEmbeddings) else "embeddings"
    config = SelectionConfig(strategy=strategy)
    return [int(one) for one in select(ids, n, config, rng_seed=0, **{kind: data})]


def measured(choose: Choice, make: Data, size: Size) -> Taken:
    """The choice in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(choose, make, size, sender))
    process.start()
    sender.close()
    try:
        taken: Taken = receiver.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"{choose} ended with status {process.exitcode}") from None
    process.join()
    return taken


def _measure(choose: Choice, make: Data, size: Size, sender: Connection) -> None:
    small = Size(200, size.width, 2, SMALL_VOCABULARY)
    choose(make(small), small.choose)  # imports are not what is measured
    data = make(size)
    before = _peak()
    with one_thread():
        clock, processor = time.perf_counter(), time.process_time()
        chosen = choose(data, size.choose)
        seconds = time.perf_counter() - clock, time.process_time() - processor
    sender.send(Taken(chosen, *seconds, _peak(), before))


def _peak() -> float:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(size: Size, strategies: dict[Strategy, Data]) -> None:
    """Ours on a pool of some size."""
    print(f"{size.choose:,} of {size.rows:,} rows of {size.width} numbers", end="; ")
    print(f"their distances would take {size.rows**2 * 4 / 2**20:,.0f} MiB")
    for strategy, make in strategies.items():
        taken = measured(partial(ours, strategy), make, size)
        assert len(set(taken.chosen)) == size.choose
        print(f"{strategy:18}{taken}", flush=True)


def beside_the_plain_way(size: Size) -> None:
    """Ours and the plain way on the same slice."""
    print(f"\n{size.choose:,} of {size.rows:,} rows, ours and the plain way")
    choices: list[tuple[Strategy, Choice, Data]] = [
        ("k_center", plain_k_center, embeddings),
        ("badge", plain_badge, gradients),
    ]
    for strategy, plain, make in choices:
        own, other = measured(partial(ours, strategy), make, size), measured(plain, make, size)
        if strategy == "k_center":
            assert own.chosen == other.chosen, "k-center does not choose what the plain way does"
        times = other.processor_seconds / own.processor_seconds
        print(f"{strategy:18}{own}\n{'  plain':18}{other}")
        print(f"{strategy:18}takes {times:.1f} times less of the processor", flush=True)


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--choose", type=int, default=1000)
    options = parser.parse_args()
    size = Size(options.rows, options.width, options.choose)
    table(size, {"k_center": embeddings, "badge": gradients})
    beside_the_plain_way(Size(10_000, options.width, 300, SMALL_VOCABULARY))
    print("\nstrategies that no limit is set for")
    table(
        Size(10_000, options.width, 100),
        {"k_means": embeddings, "facility_location": embeddings, "bait": gradients},
    )


if __name__ == "__main__":
    main()
