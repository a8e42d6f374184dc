"""Numbers of each token of an answer, from the next-token distribution that stands before it.

p_j is the softmax of the student's logits at place j of T, at temperature 1 whatever the answer was
decoded with, and y_j the token that stands there. Natural logarithms throughout.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM
from metasynth.lm.logprobs import Places, Statistics, log_probabilities

if TYPE_CHECKING:
    from torch import Tensor

Statistic = Callable[[Places], "Tensor"]
"""Places to [places]."""


def loss(places: Places) -> "Tensor":
    """-log p_j(y_j)."""
    logs = places.logits.log_softmax(-1)
    return -logs.gather(-1, places.targets[:, None])[:, 0]


def entropy(places: Places) -> "Tensor":
    """-Σ_v p_jv log p_jv."""
    import torch

    entropies: Tensor = torch.special.entr(places.logits.softmax(-1)).sum(-1)
    return entropies


def margin(places: Places) -> "Tensor":
    """The likeliest token's probability less the second's."""
    best: Tensor = places.logits.softmax(-1).topk(2, dim=-1).values
    return best[:, 0] - best[:, 1]


def log_confidence(places: Places) -> "Tensor":
    """log max_v p_jv."""
    return places.logits.log_softmax(-1).max(-1).values


def error_norm(places: Places) -> "Tensor":
    """||p_j - onehot(y_j)||₂."""
    import torch

    error = places.logits.softmax(-1)
    error.scatter_add_(-1, places.targets[:, None], -torch.ones_like(error[:, :1]))
    norms: Tensor = error.norm(dim=-1)
    return norms


STATISTICS: Mapping[str, Statistic] = {
    each.__name__: each for each in (loss, entropy, margin, log_confidence, error_norm)
}


def token_statistics(
    lm: LoadedLM,
    encoded: Sequence[Encoded],
    statistics: Sequence[str | Statistic],
    *,
    end_ids: frozenset[int] = frozenset(),
    tokens_per_batch: int,
    on_batch: Callable[[int], object] | None = None,
) -> "list[tuple[Tensor, ...]]":
    """Each of `statistics` [T] in float64 for the targets of each sequence, in one forward pass.

    Args:
        lm: The student.
        encoded: Sequences with T targets each.
        statistics: Functions, or their names in `STATISTICS`.
        end_ids: Where a model has several end tokens, any of them as a target stands for the
            likeliest: an engine does not say with which an answer ended; greedily it was this one.
        tokens_per_batch: Tokens of one forward pass.
        on_batch: See `log_probabilities`.

    Raises:
        KeyError: There is no statistic of that name.
    """
    functions = [STATISTICS[each] if isinstance(each, str) else each for each in statistics]

    def reduce(places: Places) -> Statistics:
        if len(end_ids) > 1:
            places = _with_likeliest_end(places, end_ids)
        return {str(number): function(places) for number, function in enumerate(functions)}

    results = log_probabilities(
        lm, encoded, reduce=reduce, tokens_per_batch=tokens_per_batch, on_batch=on_batch
    )
    numbers = [str(number) for number in range(len(functions))]
    return [tuple(result[number].double() for number in numbers) for result in results]


def mean_losses(
    lm: LoadedLM,
    encoded: Sequence[Encoded],
    *,
    tokens_per_batch: int,
    on_batch: Callable[[int], object] | None = None,
) -> list[float]:
    """The mean loss of each sequence's targets; arguments as above."""
    losses = token_statistics(
        lm, encoded, ("loss",), tokens_per_batch=tokens_per_batch, on_batch=on_batch
    )
    return [float(loss.mean()) for (loss,) in losses]


def _with_likeliest_end(places: Places, end_ids: frozenset[int]) -> Places:
    import torch

    ends = torch.tensor(sorted(end_ids), device=places.targets.device)
    likeliest = ends[places.logits[:, ends].argmax(-1)]
    is_end = torch.isin(places.targets, ends)
    return Places(places.logits, torch.where(is_end, likeliest, places.targets), places.hidden)
