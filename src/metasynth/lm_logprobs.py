"""What a causal model says of given token sequences: statistics of its next-token distributions.

Sequences are sorted by length inside a bounded window, so that little is padding, and come back in
the order in which they were given. Padding stands at the right, where causal attention cannot see
it, so no mask is needed and no sequence's numbers depend on its neighbours (up to rounding). Logits
are computed at the targets alone: the choice is made at the door of the output layer, so whatever
a model does to its logits afterwards (Gemma-2 caps them, Granite scales them) is its own code.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ContextLimitError, MetaSynthError, RequestError
from .lm import LoadedLM, vocabulary_size

if TYPE_CHECKING:
    import torch

WINDOW_BATCHES = 16  # batches that are sorted together: what is held in memory at a time
PADDING = 0.04  # share of a batch, beyond which it is not filled up with shorter sequences
LOGITS_PER_BATCH = 2**28  # numbers: a gibibyte in float32
LOGITS_PER_CHUNK = 2**20  # numbers that become float32 at a time; more leave the processor's cache

T = TypeVar("T")
Statistics = dict[str, "torch.Tensor"]


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


@dataclass(frozen=True)
class Places:
    """Places at which a model predicts a target.

    Attributes:
        logits: [places, vocabulary].
        targets: The tokens that stand there, [places].
        hidden: What the output layer reads, [places, width]: the last hidden states.
    """

    logits: "torch.Tensor"
    targets: "torch.Tensor"
    hidden: "torch.Tensor"

    def some(self, which: slice) -> "Places":
        """Some of them, with logits in float32."""
        return Places(self.logits[which].float(), self.targets[which], self.hidden[which])


Reduce = Callable[[Places], Statistics]
"""Places, with logits in float32, to what is wanted of them, each [places, ...]. It is called with
some places at a time; what it says of one must not depend on the others."""


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


def log_probabilities(
    lm: LoadedLM,
    encoded: Iterable[Encoded],
    *,
    reduce: Reduce,
    tokens_per_batch: int = 8192,
    on_batch: Callable[[int], object] | None = None,
) -> Iterator[Statistics]:
    """Statistics of the targets of each sequence, in the order of the sequences.

    Args:
        lm: The model.
        encoded: Sequences; `WINDOW_BATCHES` batches of them are held at a time.
        reduce: What is wanted of each place.
        tokens_per_batch: Tokens of one forward pass, padding counted.
        on_batch: Told after each forward pass how many tokens it read, padding not counted.

    Yields:
        For each sequence what `reduce` gave, each tensor [its targets, ...], on the CPU.

    Raises:
        ContextLimitError: A sequence is longer than the model's context.
        MetaSynthError: The device has not enough memory.
    """
    for window in windows(encoded, lambda one: len(one.ids), WINDOW_BATCHES * tokens_per_batch):
        found: list[Statistics] = [{}] * len(window)
        for batch in memory_batches(lm, window, tokens_per_batch):
            rows = [window[number] for number in batch]
            for number, statistics in zip(batch, _measured(lm, rows, reduce), strict=True):
                found[number] = statistics
            if on_batch is not None:
                on_batch(sum(len(row.ids) for row in rows))
        yield from found


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


def places_of(lm: LoadedLM, rows: Sequence[Encoded]) -> Places:
    """The targets of a few sequences in one forward pass, one sequence after the other.

    The logits are of the model's own type; gradients flow where they are enabled.
    """
    import torch

    longest = max(len(row.ids) for row in rows)
    if longest > lm.context_length:
        raise ContextLimitError(
            f"a text of {longest} tokens exceeds the context of {lm.context_length} tokens of "
            f"{lm.name}",
            hint="cut it, or take a model with a longer context",
        )
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    target = torch.zeros((len(rows), longest), dtype=torch.bool)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        target[place, : len(row.ids)] = torch.tensor(row.is_target)
    before = torch.zeros_like(target)
    before[:, :-1] = target[:, 1:]  # a token is predicted one place before it
    ids, target, before = (one.to(lm.device) for one in (ids, target, before))
    logits, hidden = _chosen(lm, ids, before)
    return Places(logits, ids[target], hidden)


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
        ) from error


def _measured(lm: LoadedLM, rows: Sequence[Encoded], reduce: Reduce) -> list[Statistics]:
    import torch

    with torch.inference_mode(), memory_told(lm, rows):
        found = places_of(lm, rows)
        step = max(1, LOGITS_PER_CHUNK // found.logits.shape[-1])
        parts = [
            reduce(found.some(slice(place, place + step)))
            for place in range(0, len(found.targets), step)
        ]
        whole = {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}
    ends = list(accumulate((row.targets for row in rows), initial=0))
    return [
        {name: tensor[first:last] for name, tensor in whole.items()}
        for first, last in pairwise(ends)
    ]


def _chosen(
    lm: LoadedLM, ids: "torch.Tensor", chosen: "torch.Tensor"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Logits [n, vocabulary] and last hidden states [n, width] at the chosen places of `ids`."""
    kept: list[torch.Tensor] = []

    def choose(_: Any, args: "tuple[torch.Tensor, ...]") -> "tuple[torch.Tensor, ...]":
        kept.append(args[0][chosen])
        return (kept[0][None], *args[1:])

    model: Any = lm.model
    head = model.get_output_embeddings()
    if head is None:
        raise RequestError(
            f"model {lm.name!r} has no output layer that could be asked for log-probabilities",
            hint="take a causal language model such as Llama, Qwen, Gemma or GPT-2",
        )
    hook = head.register_forward_pre_hook(choose)
    try:
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    finally:
        hook.remove()
    return logits[0], kept[0]
