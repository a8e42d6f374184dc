"""A short training beside frozen weights: low-rank matrices that are added while they are wanted.

W x becomes W x + B (A x) in every linear layer but the output (LoRA: Hu et al. 2021). The model's
own weights never change, no copy of them is made, and several such steps can exist side by side.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from metasynth.errors import RequestError
from metasynth.lm.batches import Encoded, memory_batches, memory_told
from metasynth.lm.load import LoadedLM
from metasynth.lm.logprobs import places_of

RANK = 16


class LowRankStep:
    """What a short training adds to the linear layers of one model; nothing at first.

    Args:
        lm: The model, whose weights stay as they are.
        seed: Of the first values of A; B begins at zero.
        rank: Of what is added.

    Raises:
        RequestError: The model has no linear layers that it could be added to.
    """

    def __init__(self, lm: LoadedLM, *, seed: int, rank: int = RANK) -> None:
        self.lm = lm
        self._layers = _linear_layers(lm)
        draws = torch.Generator().manual_seed(seed)
        self._down: list[Tensor] = []  # A, [rank, in]
        self._up: list[Tensor] = []  # B, [out, rank]
        for layer, (inputs, outputs) in self._layers:
            device = layer.weight.device
            down = torch.randn(rank, inputs, generator=draws) / math.sqrt(inputs)
            self._down.append(down.to(device).requires_grad_(True))
            self._up.append(torch.zeros(outputs, rank, device=device, requires_grad=True))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model computes with what is added."""
        with ExitStack() as hooks:
            for (layer, _), down, up in zip(self._layers, self._down, self._up, strict=True):
                hooks.callback(layer.register_forward_hook(_adding(down, up)).remove)
            yield

    def optimizer(self, learning_rate: float) -> torch.optim.Optimizer:
        """AdamW without weight decay over all that is added."""
        return torch.optim.AdamW(
            [*self._down, *self._up], lr=learning_rate, weight_decay=0.0, betas=(0.9, 0.95)
        )

    def train_on(
        self, rows: Sequence[Encoded], optimizer: torch.optim.Optimizer, *, tokens_per_batch: int
    ) -> None:
        """One optimiser step on the mean, over rows, of a row's mean loss."""
        optimizer.zero_grad()
        # what a backward pass needs is kept for every layer, so less is read at a time
        with torch.enable_grad(), self.applied():
            for batch in memory_batches(self.lm, rows, tokens_per_batch, share=1 / 8):
                chosen = [rows[number] for number in batch]
                (_row_losses(self.lm, chosen).sum() / len(rows)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _row_losses(lm: LoadedLM, rows: Sequence[Encoded]) -> Tensor:
    """The mean loss of each row's targets, [rows]."""
    with memory_told(lm, rows):
        places = places_of(lm, rows)
    losses = nn.functional.cross_entropy(places.logits.float(), places.targets, reduction="none")
    parts: list[Tensor] = list(torch.split(losses, [row.targets for row in rows]))
    return torch.stack([part.mean() for part in parts])


def _linear_layers(lm: LoadedLM) -> list[tuple[Any, tuple[int, int]]]:
    """Every linear layer but the output, each with its inputs and outputs."""
    from transformers.pytorch_utils import Conv1D

    model: Any = lm.model
    head = model.get_output_embeddings()
    layers: list[tuple[Any, tuple[int, int]]] = []
    for part in model.modules():
        if part is head:
            continue
        if isinstance(part, nn.Linear):
            layers.append((part, (part.in_features, part.out_features)))
        elif isinstance(part, Conv1D):  # GPT-2's, whose weight lies the other way round
            layers.append((part, (part.weight.shape[0], part.weight.shape[1])))
    if not layers:
        raise RequestError(
            f"model {lm.name!r} has no linear layers that could be trained", code="no_linear_layers"
        )
    return layers


def _adding(down: Tensor, up: Tensor) -> Any:
    def hook(_: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        added = nn.functional.linear(nn.functional.linear(args[0].to(down.dtype), down), up)
        return output + added.to(output.dtype)

    return hook
