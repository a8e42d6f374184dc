"""What a criterion sees in a next-token distribution, and what an answer's places come to together.

p_j is the softmax of the student's logits at place j of T, at temperature 1 whatever the answer was
decoded with, and y_j the token that stands there. Natural logarithms throughout.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from metasynth.lm.logprobs import Places, Reduce, Statistics

Fold = Callable[[Tensor], dict[str, float]]


class TokenStatistic(NamedTuple):
    """A number for each place of an answer, and what an answer's numbers come to.

    Attributes:
        of_places: Places to {"value": [places]}.
        fold: The numbers of one answer, [T] in float64, to the criterion's own value under "value",
            and what else is worth knowing.
    """

    of_places: Reduce
    fold: Fold


def _loss(places: Places) -> Statistics:
    """-log p_j(y_j)."""
    logs = places.logits.log_softmax(-1)
    return {"value": -logs.gather(-1, places.targets[:, None])[:, 0]}


def _entropy(places: Places) -> Statistics:
    """-Σ_v p_jv log p_jv."""
    return {"value": torch.special.entr(places.logits.softmax(-1)).sum(-1)}


def _margin(places: Places) -> Statistics:
    """The likeliest token's probability less the second's."""
    best = places.logits.softmax(-1).topk(2, dim=-1).values
    return {"value": best[:, 0] - best[:, 1]}


def _log_confidence(places: Places) -> Statistics:
    """log max_v p_jv."""
    return {"value": places.logits.log_softmax(-1).max(-1).values}


def _error_norm(places: Places) -> Statistics:
    """||p_j - onehot(y_j)||₂."""
    error = places.logits.softmax(-1)
    error.scatter_add_(-1, places.targets[:, None], -torch.ones_like(error[:, :1]))
    return {"value": error.norm(dim=-1)}


def _mean(values: Tensor) -> dict[str, float]:
    return {"value": float(values.mean())}


def _mean_and_sum(values: Tensor) -> dict[str, float]:
    return {"value": float(values.mean()), "sum": float(values.sum())}


def _perplexity(values: Tensor) -> dict[str, float]:
    mean = float(values.mean())
    return {"value": math.exp(mean) if mean < 700 else math.inf, "loss": mean}


def _least_confidence(values: Tensor) -> dict[str, float]:
    """1 - mean_j max p_j, and of the sequence 1 - Π_j max p_j, through logarithms."""
    return {
        "value": float(1 - values.exp().mean()),
        "sequence": float(-torch.expm1(values.sum())),
    }


def _least(values: Tensor) -> dict[str, float]:
    return {"value": float(values.min())}


def _greatest(values: Tensor) -> dict[str, float]:
    return {"value": float(values.max())}


LOSS = TokenStatistic(_loss, _mean_and_sum)

TOKEN_STATISTICS: Mapping[str, TokenStatistic] = {
    "loss_self": LOSS,
    "loss_gold": LOSS,
    "entropy": TokenStatistic(_entropy, _mean),
    "margin": TokenStatistic(_margin, _mean),
    "least_confidence": TokenStatistic(_log_confidence, _least_confidence),
    "min_margin": TokenStatistic(_margin, _least),
    "max_entropy": TokenStatistic(_entropy, _greatest),
    "perplexity": TokenStatistic(_loss, _perplexity),
    "el2n": TokenStatistic(_error_norm, _mean),
}


def with_likeliest_end(reduce: Reduce, end_ids: frozenset[int]) -> Reduce:
    """The same, where any of a model's several end tokens stands for the likeliest of them.

    An engine does not say with which of them an answer ended; decoded greedily it was this one.
    """
    if len(end_ids) < 2:
        return reduce

    def of_places(places: Places) -> Statistics:
        ends = torch.tensor(sorted(end_ids), device=places.targets.device)
        likeliest = ends[places.logits[:, ends].argmax(-1)]
        is_end = torch.isin(places.targets, ends)
        targets = torch.where(is_end, likeliest, places.targets)
        return reduce(Places(places.logits, targets, places.hidden))

    return of_places
