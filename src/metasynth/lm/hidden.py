"""Texts as vectors by a causal model itself: its last hidden states, pooled."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .batches import Encoded, in_batches, memory_told, padded
from .load import LoadedLM
from .logprobs import before_the_head

if TYPE_CHECKING:
    import torch

Pooling = Literal["mean", "last"]


def pooled_states(
    lm: LoadedLM,
    encoded: Iterable[Encoded],
    *,
    pooling: Pooling = "mean",
    tokens_per_batch: int = 8192,
    on_batch: Callable[[int], object] | None = None,
) -> "Iterator[torch.Tensor]":
    """A vector for each sequence, in their order: [width], float32, on the CPU.

    Args:
        lm: The model.
        encoded: Sequences; the states of their targets are pooled.
        pooling: The mean over the targets, or the last of them.
        tokens_per_batch: Tokens of one forward pass, padding counted.
        on_batch: See `log_probabilities`.
    """
    return in_batches(
        lm,
        encoded,
        lambda rows: _pooled(lm, rows, pooling),
        tokens_per_batch=tokens_per_batch,
        on_batch=on_batch,
    )


def _pooled(lm: LoadedLM, rows: Sequence[Encoded], pooling: Pooling) -> "list[torch.Tensor]":
    import torch

    kept: list[torch.Tensor] = []

    def keep(states: torch.Tensor) -> torch.Tensor:
        kept.append(states)
        return states[:, :1]  # no logits are wanted

    with torch.inference_mode(), memory_told(lm, rows), before_the_head(lm, keep):
        ids, target = padded(lm, rows)
        model: Any = lm.model
        model(input_ids=ids, use_cache=False)
        states = kept[0].float()  # [rows, longest, width]
        if pooling == "mean":
            weights = target[..., None] / target.sum(1)[:, None, None]
            found = (states * weights).sum(1)
        else:
            last = target.shape[1] - 1 - target.int().flip(1).argmax(1)
            found = states[torch.arange(len(rows), device=states.device), last]
    return list(found.cpu())
