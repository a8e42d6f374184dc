"""Draw the next token of every row of a batch at once.

Each row brings one uniform random number a step, so its choice does not depend on its neighbours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from .requests import GenerationSettings

CANDIDATES = 128  # tokens looked at first where the distribution is cut; nearly always enough


@dataclass(frozen=True)
class SamplingPlan:
    """What the rows of a batch ask for, as tensors.

    Attributes:
        temperature: [rows, 1]; 1 where the likeliest token is taken.
        greedy: The rows that take the likeliest token, [rows], or None.
        cut: The indices of the rows that draw among the likeliest tokens only, or None.
        top_k: How many tokens these look at, [cut rows, 1].
        top_p: And how much probability, [cut rows, 1].
        all_greedy: Whether no row draws at all.
    """

    temperature: "torch.Tensor"
    greedy: "torch.Tensor | None"
    cut: "torch.Tensor | None"
    top_k: "torch.Tensor"
    top_p: "torch.Tensor"
    all_greedy: bool

    @classmethod
    def of(cls, settings: "Sequence[GenerationSettings]", device: "torch.device") -> "SamplingPlan":
        """The plan for rows with these settings."""
        import torch

        greedy = [one.temperature <= 0 for one in settings]
        cut = [row for row, one in enumerate(settings) if one.top_k > 0 or one.top_p < 1]
        top_k = [settings[row].top_k or 2**31 for row in cut]
        warmth = [one.temperature if one.temperature > 0 else 1.0 for one in settings]
        return cls(
            temperature=torch.tensor(warmth, device=device)[:, None],
            greedy=torch.tensor(greedy, device=device) if any(greedy) else None,
            cut=torch.tensor(cut, device=device) if cut else None,
            top_k=torch.tensor(top_k, device=device)[:, None],
            top_p=torch.tensor([settings[row].top_p for row in cut], device=device)[:, None],
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
    tokens = _inverse_cdf(torch.softmax(scaled, -1), uniform)
    if plan.cut is not None:  # these rows alone: how a row maps numbers to tokens is its own affair
        tokens[plan.cut] = _sample_cut(scaled[plan.cut], plan, uniform[plan.cut])
    if plan.greedy is not None:
        tokens = torch.where(plan.greedy, logits.argmax(-1), tokens)
    return tokens


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
        keep = (torch.arange(size, device=weights.device) < plan.top_k) & (before < plan.top_p)
        if size == scaled.shape[-1] or not bool((keep[:, -1] & (weights[:, -1] > 0)).any()):
            break
    keep[:, 0] = True
    column = _inverse_cdf(weights * keep, uniform)
    return indices.gather(-1, column[:, None])[:, 0]
