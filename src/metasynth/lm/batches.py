"""Token sequences in batches for one forward pass each: hardly any padding, bounded memory.

Sequences are sorted by length inside a bounded window, and come back in the order in which they
were given. Padding stands at the right, where causal attention cannot see it, so no mask is needed
and no sequence's numbers depend on its neighbours (up to rounding).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from metasynth.errors import ContextLimitError, MetaSynthError

from .load import LoadedLM, vocabulary_size

if TYPE_CHECKING:
    import torch

WINDOW_BATCHES = 16  # batches that are sorted together: what is held in memory at a time
PADDING = 0.04  # share of a batch, beyond which it is not filled up with shorter sequences
LOGITS_PER_BATCH = 2**28  # numbers: a gibibyte in float32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sequence, and which of its tokens are looked at.

    Attributes:
        ids: The tokens.
        is_target: For each token whether its prediction counts; the first has none before it, so it
            cannot be a target.
    """

    ids: Sequence[int]
    is_target: Sequence[bool]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.is_target):
            raise ValueError("a sequence needs one flag for each token")
        if not any(self.is_target) or self.is_target[0]:
            raise ValueError("a sequence needs a target, and its first token cannot be one")

    @property
    def targets(self) -> int:
        """How many tokens are targets."""
        return sum(self.is_target)


def token_batches(
    lengths: Sequence[int], tokens_per_batch: int, *, at_most: int | None = None
) -> list[list[int]]:
    """Put sequences of like length together, the longest first.

    Args:
        lengths: Tokens of each sequence.
        tokens_per_batch: Tokens of a batch, padding counted; a longer sequence stands alone.
        at_most: Sequences of a batch.

    Returns:
        The numbers of the sequences of each batch; less than 5 % of a batch is padding.
    """
    batches: list[list[int]] = []
    width = used = 0
    for number in sorted(range(len(lengths)), key=lambda one: (-lengths[one], one)):
        rows = len(batches[-1]) + 1 if batches else 0
        padding = width * rows - used - lengths[number]
        if (
            not batches
            or width * rows > tokens_per_batch
            or padding > PADDING * width * rows
            or (at_most is not None and rows > at_most)
        ):
            batches.append([])
            width, used = lengths[number], 0
        batches[-1].append(number)
        used += lengths[number]
    return batches


def in_batches(
    lm: LoadedLM,
    encoded: Iterable[Encoded],
    measure: Callable[[Sequence[Encoded]], Sequence[T]],
    *,
    tokens_per_batch: int,
    on_batch: Callable[[int], object] | None = None,
) -> Iterator[T]:
    """What `measure` says of each sequence, in their order, when given batches of like length.

    The arguments are those of `log_probabilities`.
    """
    for window in windows(encoded, lambda one: len(one.ids), WINDOW_BATCHES * tokens_per_batch):
        found: dict[int, T] = {}
        for batch in memory_batches(lm, window, tokens_per_batch):
            rows = [window[number] for number in batch]
            found.update(zip(batch, measure(rows), strict=True))
            if on_batch is not None:
                on_batch(sum(len(row.ids) for row in rows))
        for number in range(len(window)):
            yield found.pop(number)


def memory_batches(
    lm: LoadedLM, rows: Sequence[Encoded], tokens_per_batch: int, *, share: float = 1.0
) -> list[list[int]]:
    """As `token_batches`, with no more targets in a batch than there is memory for logits.

    Args:
        lm: The model.
        rows: What is put together.
        tokens_per_batch: See `token_batches`.
        share: Of both bounds, for uses that keep more of a forward pass than its result.
    """
    most = max(1, int(share * LOGITS_PER_BATCH) // vocabulary_size(lm))
    lengths = [len(row.ids) for row in rows]
    batches: list[list[int]] = []
    for batch in token_batches(lengths, int(share * tokens_per_batch)):
        batches += windows(batch, lambda number: rows[number].targets, most)
    return batches


def windows(items: Iterable[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Runs of items whose sizes add up to `most` or a little more (the last: to less)."""
    window: list[T] = []
    held = 0
    for item in items:
        window.append(item)
        held += size(item)
        if held >= most:
            yield window
            window, held = [], 0
    if window:
        yield window


def padded(lm: LoadedLM, rows: Sequence[Encoded]) -> "tuple[torch.Tensor, torch.Tensor]":
    """Tokens and which are targets, both [rows, longest], padded at the right, on the device.

    Raises:
        ContextLimitError: A sequence is longer than the model's context.
    """
    import torch

    longest = max(len(row.ids) for row in rows)
    if longest > lm.context_length:
        raise ContextLimitError(
            f"a text of {longest} tokens exceeds the context of {lm.context_length} tokens of "
            f"{lm.name}",
            hint="cut it, or take a model with a longer context",
            code="context_limit",
        )
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    target = torch.zeros((len(rows), longest), dtype=torch.bool)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        target[place, : len(row.ids)] = torch.tensor(row.is_target)
    return ids.to(lm.device), target.to(lm.device)


@contextmanager
def memory_told(lm: LoadedLM, rows: Sequence[Encoded]) -> Iterator[None]:
    """Turn a device's lack of memory into one line for the user."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MetaSynthError(
            f"model {lm.name!r}: {lm.device} has not enough memory for {len(rows)} texts of up to "
            f"{max(len(row.ids) for row in rows)} tokens",
            hint="lower tokens_per_batch",
            code="out_of_memory",
        ) from error
