"""Draw the next token of every row of a batch at once.

Each row brings one uniform random number a step, so its choice does not depend on its neighbours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from .lm_requests import GenerationSettings

CANDIDATES = 128  # tokens looked at first where the distribution is cut; nearly always enough


@dataclass(frozen=True)
class SamplingPlan:
    """What the rows of a batch ask for, as tensors of shape [rows, 1]; None: no row asks for it."""

    temperature: "torch.Tensor"
    greedy: "torch.Tensor | None"
    top_k: "torch.Tensor | None"
    top_p: "torch.Tensor | None"
    all_greedy: bool

    @classmethod
    def of(cls, settings: "Sequence[GenerationSettings]", device: "torch.device") -> "SamplingPlan":
        """The plan for rows with these settings."""
        import torch

        def column(values: list[float] | list[int] | list[bool]) -> torch.Tensor:
            return torch.tensor(values, device=device)[:, None]

        greedy = [one.temperature <= 0 for one in settings]
        top_k = [one.top_k or 2**31 for one in settings]
        top_p = [one.top_p for one in settings]
        return cls(
            temperature=column(
                [one.temperature if one.temperature > 0 else 1.0 for one in settings]
            ),
            greedy=column(greedy) if any(greedy) else None,
            top_k=column(top_k) if min(top_k) < 2**31 else None,
            top_p=column(top_p) if min(top_p) < 1 else None,
            all_greedy=all(greedy),
        )


def sample(logits: "torch.Tensor", plan: SamplingPlan, uniform: "torch.Tensor") -> "torch.Tensor":
    """The next token of each row, [rows].

    Args:
        logits: [rows, vocabulary], float32; what may not come is -inf.
        plan: How each row is drawn.
        uniform: [rows, 1], each in [0, 1).
    """
    import torch

    if plan.all_greedy:
        return logits.argmax(-1)
    scaled = logits / plan.temperature
    if plan.top_k is None and plan.top_p is None:
        tokens = _inverse_cdf(torch.softmax(scaled, -1), uniform)
    else:
        tokens = _sample_cut(scaled, plan, uniform)
    if plan.greedy is None:
        return tokens
    return torch.where(plan.greedy[:, 0], logits.argmax(-1), tokens)


def _inverse_cdf(weights: "torch.Tensor", uniform: "torch.Tensor") -> "torch.Tensor":
    """The column in which the running sum of `weights` passes `uniform` times their sum, [rows]."""
    import torch

    sums = weights.cumsum(-1)
    total = sums[:, -1:]
    # strictly below the total, so that the column found has a weight above zero
    threshold = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(sums, threshold, right=True)[:, 0]


def _sample_cut(
    scaled: "torch.Tensor", plan: SamplingPlan, uniform: "torch.Tensor"
) -> "torch.Tensor":
    """Draw among the likeliest tokens; all are sorted only where the first few do not suffice."""
    import torch

    total = torch.logsumexp(scaled, -1, keepdim=True)
    for size in (min(CANDIDATES, scaled.shape[-1]), scaled.shape[-1]):
        best, indices = torch.topk(scaled, size, dim=-1)  # sorted, likeliest first
        weights = (best - total).exp()
        before = weights.cumsum(-1) - weights
        keep = torch.ones_like(weights, dtype=torch.bool)
        if plan.top_k is not None:
            keep &= torch.arange(size, device=weights.device) < plan.top_k
        if plan.top_p is not None:
            keep &= before < plan.top_p
        if size == scaled.shape[-1] or not bool((keep[:, -1] & (weights[:, -1] > 0)).any()):
            break
    keep[:, 0] = True
    column = _inverse_cdf(weights * keep, uniform)
    return indices.gather(-1, column[:, None])[:, 0]
