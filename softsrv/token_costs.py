"""From a frozen model's last hidden states to the cost of tokens, in bounded memory.

Logits are the largest thing of a training step: 1024 targets of Gemma-2 make a gigabyte in float32,
and a loss with its gradient holds four of that. The output layer is frozen and the cost of a token
depends on its own hidden state alone, so the gradient for that state can be had in the forward
pass, a few targets at a time, and the logits thrown away.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

LOGITS_AT_ONCE = 2**26  # numbers; with their gradients about a gigabyte

Rowwise = Callable[[Tensor], Tensor]
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6}
_HALF_TOLERANCE = 2e-2


class OutputLayer:
    """What a causal language model does after its last layer, at chosen places only.

    Some models change their logits (Gemma-2 caps them, Granite scales them). Which way is right is
    tried out; where none of the known ones is, the model's own code runs on all targets at once.

    Args:
        probe: Embeddings [1, S, d] to try it out with.
    """

    def __init__(self, model: Any, probe: Tensor) -> None:
        self._model = model
        self._head: Any = model.get_output_embeddings()
        self._finish = self._pick_finish(probe)

    @property
    def is_chunked(self) -> bool:
        """Whether memory for logits is bounded, whatever the number of targets."""
        return self._finish is not None

    def costs(self, embeddings: Tensor, row: Tensor, place: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood [n] in nats, float32, of targets [n].

        Args:
            embeddings: What the model reads [B, S, d].
            row: Of each target, its row [n].
            place: Of each target, the place before it [n].
        """
        if self._finish is None:
            logits = self.logits(embeddings, row, place)
            return F.cross_entropy(logits.float(), targets, reduction="none")
        body = self._model.base_model(inputs_embeds=embeddings, use_cache=False)
        hidden = body.last_hidden_state[row, place]  # [n, d]
        at_once = max(1, LOGITS_AT_ONCE // self._model.get_input_embeddings().num_embeddings)
        return costs_of(hidden, targets, self._logits_of, at_once=at_once)

    def logits(self, embeddings: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """Logits [n, vocabulary] at the chosen places, by the model's own forward pass.

        The choice is made at the door of the output layer: all that follows is the model's code.
        """

        def choose(_: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (args[0][row, place][None], *args[1:])

        hook = self._head.register_forward_pre_hook(choose)
        try:
            found = self._model(inputs_embeds=embeddings, use_cache=False).logits
        finally:
            hook.remove()
        return found[0]  # type: ignore[no-any-return]

    def _logits_of(self, hidden: Tensor) -> Tensor:
        """Logits [n, vocabulary] of last hidden states [n, d], finished as this model does it."""
        assert self._finish is not None
        return self._finish(self._head(hidden))

    def _pick_finish(self, probe: Tensor) -> Rowwise | None:
        """How logits come from the output layer; None: in a way that is not known here."""
        body = self._model.base_model
        if body is self._model:
            return None
        with torch.no_grad():
            wanted = self._model(inputs_embeds=probe, use_cache=False).logits
            raw = self._head(body(inputs_embeds=probe, use_cache=False).last_hidden_state)
            ways = _finishes(self._model.config.get_text_config())
            return next((way for way in ways if agree(way(raw), wanted)), None)


def agree(found: Tensor, wanted: Tensor) -> bool:
    """Whether logits are the same as far as their precision allows."""
    if found.shape != wanted.shape:
        return False
    tolerance = _TOLERANCE.get(wanted.dtype, _HALF_TOLERANCE)
    found, wanted = found.float(), wanted.float()
    return bool((found - wanted).abs().max() <= tolerance * wanted.abs().max())


def costs_of(hidden: Tensor, targets: Tensor, logits_of: Rowwise, *, at_once: int) -> Tensor:
    """Negative log-likelihood [n] in nats, float32, of targets [n] after hidden states [n, d].

    Args:
        logits_of: Hidden states [m, d] to logits [m, vocabulary], each row by itself.
        at_once: How many rows have their logits in memory at a time.
    """
    costs: Tensor = _Costs.apply(hidden, targets, logits_of, at_once)  # type: ignore[no-untyped-call]
    return costs


class _Costs(torch.autograd.Function):
    """Cross-entropy whose gradient is computed with it, some rows at a time."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, targets: Tensor, logits_of: Rowwise, at_once: int
    ) -> Tensor:
        wants_slopes = ctx.needs_input_grad[0]
        costs: list[Tensor] = []
        slopes: list[Tensor] = []
        for start in range(0, len(targets), at_once):
            rows = hidden[start : start + at_once].detach().requires_grad_(wants_slopes)
            with torch.set_grad_enabled(wants_slopes):
                logits = logits_of(rows).float()
                cost = F.cross_entropy(logits, targets[start : start + at_once], reduction="none")
                if wants_slopes:
                    slopes += torch.autograd.grad(cost.sum(), rows)
            costs.append(cost.detach())
        if slopes:
            ctx.save_for_backward(torch.cat(slopes))  # [n, d]
        return torch.cat(costs) if costs else hidden.new_zeros(0, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        if not ctx.saved_tensors:  # there was no target
            return None, None, None, None
        (slopes,) = ctx.saved_tensors
        return (slopes * upstream[0][:, None]).to(slopes.dtype), None, None, None


def _finishes(config: Any) -> Iterator[Rowwise]:
    """What families of models do to their logits, the likeliest first."""
    if cap := getattr(config, "final_logit_softcapping", None):
        yield lambda logits: torch.tanh(logits / cap) * cap
    for name, exponent in (("logits_scaling", -1), ("logit_scale", 1)):
        if isinstance(factor := getattr(config, name, None), float | int) and factor:
            yield _scaled_by(float(factor) ** exponent)
    yield lambda logits: logits


def _scaled_by(factor: float) -> Rowwise:
    return lambda logits: logits * factor
