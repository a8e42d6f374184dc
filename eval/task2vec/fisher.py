"""The diagonal of a language model's Fisher information on some texts, a number a filter.

F = E[(∂ log p(x̂_t | x_<t) / ∂w)²] with x̂_t drawn from the model, for each weight w; then the mean
over the weights of each filter, which is a row of a weight matrix. Labels drawn for different
places are independent and their gradients have mean zero, so the square of the gradient of a *sum*
over N places has the expectation N F: one backward pass a step is enough.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from metasynth.lm.load import LoadedLM

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FisherOptions:
    """See `task2vec.Task2VecSettings`; `published` is the form of the released code.

    Attributes:
        rows: Texts of one step of the fine-tuning.
        fisher_rows: Texts whose gradients are squared together: the fewer, the less noise.
        width: Tokens of a row, padding included; the published form pads all rows to it.
        seed: Of the labels (and of dropout, in the published form).
    """

    published: bool
    epochs: int
    learning_rate: float
    rows: int
    fisher_rows: int
    draws: int
    width: int
    seed: int


def fisher_embedding(
    lm: LoadedLM, batch: Sequence[Sequence[int]], options: FisherOptions
) -> Floats:
    """The embedding of a batch of token sequences, [filters], after the head was tuned on it.

    The model itself stays as it is: what is tuned is a copy.
    """
    model: Any = copy.deepcopy(lm.model)
    model.float().requires_grad_(True)
    with torch.random.fork_rng(devices=_devices(lm)), torch.enable_grad():
        torch.manual_seed(options.seed)
        if options.published:
            model.train()
            _tune_as_published(model, _padded(lm, batch, options.rows, options), options)
        else:
            model.eval()
            _untie(model)
            _tune_head(model, _padded(lm, batch, options.rows, options), options)
        steps = _padded(lm, batch, options.fisher_rows, options)
        squares = _mean_squares(model, steps, options)
    head = model.get_output_embeddings()
    parts = [
        _by_filter(module, squares[id(module.weight)], published=options.published)
        for module in model.modules()
        if module is not head and id(getattr(module, "weight", None)) in squares
    ]
    return np.concatenate(parts)


def _devices(lm: LoadedLM) -> list[torch.device]:
    return [lm.device] if lm.device.type == "cuda" else []


def _by_filter(module: Any, squares: Tensor, *, published: bool) -> Floats:
    # GPT-2's Conv1D keeps its weights as (in, out), so its rows are inputs, not filters
    if not published and type(module).__name__ == "Conv1D":
        squares = squares.T
    return np.asarray(squares.reshape(len(squares), -1).mean(1).cpu().numpy(), dtype=np.float64)


def _padded(
    lm: LoadedLM, batch: Sequence[Sequence[int]], at_once: int, options: FisherOptions
) -> list[tuple[Tensor, Tensor]]:
    """Steps of tokens and of which are real, both [rows, width], on the device."""
    pad = lm.tokenizer.eos_token_id
    fill = pad if isinstance(pad, int) else 0
    steps = []
    for start in range(0, len(batch), at_once):
        rows = batch[start : start + at_once]
        width = options.width if options.published else max(map(len, rows))
        width = min(width, lm.context_length)
        ids = torch.full((len(rows), width), fill)
        real = torch.zeros((len(rows), width), dtype=torch.bool)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            real[place, : len(row)] = True
        steps.append((ids.to(lm.device), real.to(lm.device)))
    return steps


def _logits(model: Any, ids: Tensor, real: Tensor) -> Tensor:
    return model(input_ids=ids, attention_mask=real.long(), use_cache=False).logits  # type: ignore[no-any-return]


def _untie(model: Any) -> None:
    """Give the head weights of its own, so that tuning it leaves the token table as it was."""
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone())


def _tune_head(model: Any, steps: list[tuple[Tensor, Tensor]], options: FisherOptions) -> None:
    """Fine-tune the head on the batch; the body is frozen, so its states are computed once."""
    if not options.epochs:
        return
    head = model.get_output_embeddings()
    states: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, given: states.append(given[0].detach()))
    with torch.no_grad():
        for ids, real in steps:
            _logits(model, ids, real)
    hook.remove()
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=options.learning_rate, weight_decay=1e-4, eps=1e-8
    )
    for _ in range(options.epochs):
        for (ids, real), hidden in zip(steps, states, strict=True):
            scored = real[:, 1:]
            loss = functional.cross_entropy(head(hidden[:, :-1][scored]), ids[:, 1:][scored])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def _tune_as_published(
    model: Any, steps: list[tuple[Tensor, Tensor]], options: FisherOptions
) -> None:
    """With the token table, where the head is tied to it, and dropout."""
    head = model.get_output_embeddings()
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=options.learning_rate, weight_decay=1e-4, eps=1e-8
    )
    for _ in range(options.epochs):
        for ids, real in steps:
            optimiser.zero_grad()
            targets = ids.masked_fill(~real, -100)
            logits = _logits(model, ids, real)[:, :-1].transpose(1, 2)
            functional.cross_entropy(logits, targets[:, 1:]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()


def _mean_squares(
    model: Any, steps: list[tuple[Tensor, Tensor]], options: FisherOptions
) -> dict[int, Tensor]:
    """The mean squared gradient of each weight, by the identity of the parameter."""
    weights = {
        id(module.weight): module.weight
        for module in model.modules()
        if isinstance(getattr(module, "weight", None), torch.nn.Parameter)
    }
    squares = {key: torch.zeros_like(weight) for key, weight in weights.items()}
    taken = 0
    for ids, real in steps:
        logits = _logits(model, ids, real)
        for loss, count in _drawn_losses(logits, ids, real, options):
            model.zero_grad(set_to_none=True)
            loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
            for key, weight in weights.items():
                if weight.grad is not None:
                    squares[key] += weight.grad.square()
            taken += count
    return {key: square / taken for key, square in squares.items()}


def _drawn_losses(
    logits: Tensor, ids: Tensor, real: Tensor, options: FisherOptions
) -> Iterator[tuple[Tensor, int]]:
    """Losses of labels that the model draws, and how many Fisher terms their squares stand for.

    The square of a sum over N places stands for N; the published code takes the mean, and counts
    it as one.
    """
    if options.published:
        drawn = _draw(logits.flatten(0, 1)).reshape(ids.shape)
        end = int(ids[~real][0]) if (~real).any() else -100
        # the label drawn at t is scored by the logits at t - 1; padding counts; the end token,
        # which padding is made of, does not where it was drawn
        targets = drawn[:, 1:].masked_fill(drawn[:, 1:] == end, -100)
        yield functional.cross_entropy(logits[:, :-1].transpose(1, 2), targets), 1
        return
    scored = logits[:, :-1][real[:, 1:]]  # where a real token comes next
    for _ in range(options.draws):
        loss = functional.cross_entropy(scored, _draw(scored), reduction="sum")
        yield loss, len(scored)


def _draw(logits: Tensor) -> Tensor:
    return torch.multinomial(logits.detach().softmax(-1), 1).squeeze(-1)
