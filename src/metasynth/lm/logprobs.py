"""What a causal model says of given token sequences: statistics of its next-token distributions.

Logits are computed at the targets alone: the choice is made at the door of the output layer, so
whatever a model does to its logits afterwards (Gemma-2 caps them, Granite scales them) is its own
code.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from metasynth.errors import RequestError

from .batches import Encoded, in_batches, memory_told, padded
from .load import LoadedLM

if TYPE_CHECKING:
    import torch

LOGITS_PER_CHUNK = 2**20  # numbers that become float32 at a time; more leave the processor's cache

Statistics = dict[str, "torch.Tensor"]


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
    return in_batches(
        lm,
        encoded,
        lambda rows: _measured(lm, rows, reduce),
        tokens_per_batch=tokens_per_batch,
        on_batch=on_batch,
    )


def places_of(lm: LoadedLM, rows: Sequence[Encoded]) -> Places:
    """The targets of a few sequences in one forward pass, one sequence after the other.

    The logits are of the model's own type; gradients flow where they are enabled.
    """
    import torch

    ids, target = padded(lm, rows)
    before = torch.zeros_like(target)
    before[:, :-1] = target[:, 1:]  # a token is predicted one place before it
    kept: list[torch.Tensor] = []

    def choose(states: torch.Tensor) -> torch.Tensor:
        kept.append(states[before])
        return kept[0][None]

    with before_the_head(lm, choose):
        model: Any = lm.model
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    return Places(logits[0], ids[target], kept[0])


@contextmanager
def before_the_head(
    lm: LoadedLM, change: "Callable[[torch.Tensor], torch.Tensor]"
) -> Iterator[None]:
    """Inside, the output layer reads what `change` makes of the last hidden states.

    Raises:
        RequestError: The model has no output layer.
    """

    def hook(_: Any, args: "tuple[torch.Tensor, ...]") -> "tuple[torch.Tensor, ...]":
        return (change(args[0]), *args[1:])

    model: Any = lm.model
    head = model.get_output_embeddings()
    if head is None:
        raise RequestError(
            f"model {lm.name!r} has no output layer that could be asked for log-probabilities",
            hint="take a causal language model such as Llama, Qwen, Gemma or GPT-2",
            code="no_output_layer",
        )
    handle = head.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


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
