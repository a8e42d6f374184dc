"""What a student is trained on: rows as tokens, which step reads which, and what is left out.

Rows of like length stand together, so that padding stays small, but only inside a window of some
batches that are drawn anew for each epoch; the order of the batches is drawn as well.
"""

import hashlib
import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from metasynth.config.student import StudentConfig
from metasynth.errors import RequestError
from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM
from metasynth.randomness import generator
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, BadRowError, StudentRow

WINDOW_BATCHES = 50  # batches whose rows are sorted by length together; as Trainer's own sampler
_NAMED_LINES = 5

MicroBatch = list[int]
Step = list[MicroBatch]


class TokenRow(NamedTuple):
    """A row's tokens, which are targets from `first` on."""

    ids: "array[int]"
    first: int

    @property
    def targets(self) -> int:
        """How many tokens are targets."""
        return len(self.ids) - self.first


class TrainingRows(NamedTuple):
    """What is trained on, and what is not.

    Attributes:
        left_out: With the line and the reason of each.
        sha256: Of all of it: tokens, targets and what is left out.
    """

    rows: list[TokenRow]
    left_out: tuple[BadRow, ...]
    sha256: str


def encode_rows(
    lm: LoadedLM, rows: Iterable[StudentRow | BadRow], config: StudentConfig
) -> TrainingRows:
    """Rows as the model's tokens; each is read once.

    Raises:
        RequestError: None of them can be trained on.
    """
    renderer, digest = Renderer(lm), hashlib.sha256()
    kept: list[TokenRow] = []
    left_out: list[BadRow] = []
    for row in rows:
        found = row if isinstance(row, BadRow) else _encoded(renderer, row, config)
        if isinstance(found, BadRow):
            left_out.append(found)
            digest.update(f"{found.line} {found.reason}\n".encode())
        else:
            kept.append(found)
            digest.update(f"{len(found.ids)} {found.first}\n".encode())
            digest.update(found.ids.tobytes())
    if not kept:
        told = f": left out are {'; '.join(told_reasons(left_out))}" if left_out else ""
        raise RequestError(
            f"there is no row to train on{told}",
            hint="give rows with `text`, `prompt` and `completion`, or `messages`",
            code="no_rows",
        )
    return TrainingRows(kept, tuple(left_out), digest.hexdigest())


def told_reasons(left_out: Sequence[BadRow]) -> list[str]:
    """Why rows are left out, the commonest reason first, with its number and its first lines."""
    counts = Counter(_kind(bad) for bad in left_out)
    return [
        f"{reason}: {count:,}{_lines(reason, left_out)}" for reason, count in counts.most_common()
    ]


def count_steps(rows: int, config: StudentConfig) -> int:
    """Optimiser steps of a training on so many rows."""
    if config.steps is not None:
        return config.steps
    an_epoch = math.ceil(rows / config.batch_size)
    return max(1, math.ceil(round(config.epochs * an_epoch, 6)))


def plan_steps(rows: Sequence[TokenRow], config: StudentConfig, *, seed: int) -> list[Step]:
    """The rows of each step, in as many micro-batches in every step.

    An epoch is cut into batches of like size, so that none of them is a step on few rows. Where a
    batch has fewer rows than there are micro-batches, some of these are empty.
    """
    sizes = _even_sizes(len(rows), math.ceil(len(rows) / config.batch_size))
    parts = math.ceil(sizes[0] / config.micro_batch)
    steps: list[Step] = []
    total = count_steps(len(rows), config)
    for epoch in range(math.ceil(total / len(sizes))):
        rng = generator(seed, "training", "epoch", epoch)
        order = list(range(len(rows)))
        rng.shuffle(order)
        batches = _batches(rows, order, sizes)
        rng.shuffle(batches)
        steps += [_cut(batch, _even_sizes(len(batch), parts)) for batch in batches]
    return steps[:total]


def padding_share(rows: Sequence[TokenRow], steps: Sequence[Step]) -> float:
    """The share of padding in all positions that the steps put through the model."""
    used = positions = 0
    for part in (part for step in steps for part in step if part):
        lengths = [len(rows[row].ids) for row in part]
        used += sum(lengths)
        positions += max(lengths) * len(lengths)
    return 1 - used / positions if positions else 0.0


def _encoded(renderer: Renderer, row: StudentRow, config: StudentConfig) -> TokenRow | BadRow:
    try:
        found: Encoded = renderer.encode(row, loss_on=config.loss_on)
        if len(found.ids) > config.max_tokens:
            raise BadRowError(
                f"longer than max_tokens: {len(found.ids)} tokens, {config.max_tokens} are allowed"
            )
    except BadRowError as error:
        # what comes from no file is named by its id
        return BadRow(row.line, str(error) if row.line else f"{error} (row {row.id})")
    return TokenRow(array("i", found.ids), found.is_target.index(True))


def _batches(rows: Sequence[TokenRow], order: list[int], sizes: list[int]) -> list[list[int]]:
    batches: list[list[int]] = []
    rest, left = iter(order), iter(sizes)
    while window := list(islice(left, WINDOW_BATCHES)):
        together = sorted(islice(rest, sum(window)), key=lambda row: -len(rows[row].ids))
        batches += _cut(together, window)
    return batches


def _cut(rows: list[int], sizes: list[int]) -> list[list[int]]:
    left = iter(rows)
    return [list(islice(left, size)) for size in sizes]


def _even_sizes(count: int, parts: int) -> list[int]:
    """Sizes that add up to `count` and differ by 1 at most, the larger ones first."""
    size, more = divmod(count, parts)
    return [size + (part < more) for part in range(parts)]


def _kind(bad: BadRow) -> str:
    """What a reason says of more than one row."""
    return bad.reason.partition(":")[0].partition(" (row ")[0]


def _lines(reason: str, left_out: Sequence[BadRow]) -> str:
    lines = [bad.line for bad in left_out if bad.line and _kind(bad) == reason]
    if not lines:
        return ""
    named = ", ".join(map(str, lines[:_NAMED_LINES]))
    more = f" and {len(lines) - _NAMED_LINES:,} more" if len(lines) > _NAMED_LINES else ""
    return f" (line{'s' if len(lines) > 1 else ''} {named}{more})"


def settings_told(config: StudentConfig) -> dict[str, object]:
    """The settings that decide what a training comes to."""
    apart = {
        "model",  # the fingerprint says which
        "revision",
        "device",
        "dtype",
        "trust_remote_code",
        "start",
        "data",
        "last_rounds",
        "save_seconds",
    }
    told: dict[str, object] = json.loads(config.model_dump_json(exclude=apart))
    return told
