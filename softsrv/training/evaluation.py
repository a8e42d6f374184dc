"""What is watched while a soft prompt trains.

The mean loss alone misleads twice: with different contexts exchanged it may be as low (then z is
not used), and in free running the misses fall on the first tokens. So both are measured apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metasynth.lm.load import vocabulary_size
from metasynth.randomness import generator
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.soft_prompt import SoftPrompt

from .batches import TokenRows, parts_by_length
from .optimisation import told_out_of_memory

FIRST_TOKENS = 5
_SCANNED = 4096  # embeddings whose norms are averaged


@dataclass(frozen=True)
class Evaluation:
    """A soft prompt on held-out rows; losses in nats a token, the end token included.

    Attributes:
        held_out_nll: Negative log-likelihood.
        first5_nll: The same over the first five tokens of each row.
        shuffled_gap: How much the loss rises when the rows exchange their contexts: that z is used
            shows here and not in the loss. 0 where the soft prompt does not look at z.
        shuffled_gap_error: Its standard error, from the differences of each row.
        mixture_entropy: Mean entropy in nats of a mixture's weights; ln k where all weigh the same.
        output_norm: Mean length of a soft token.
        embedding_norm: Mean length of an embedding of the model, to compare with.
    """

    rows: int
    held_out_nll: float
    first5_nll: float
    shuffled_gap: float
    shuffled_gap_error: float
    mixture_entropy: float | None
    output_norm: float
    embedding_norm: float


def evaluate(
    backbone: Backbone,
    prompt: SoftPrompt,
    rows: TokenRows,
    *,
    seed: int,
    batch: int,
    progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Look at a soft prompt on held-out rows, each with its own context and with another's.

    Args:
        seed: Of the exchange of contexts, in which no row keeps its own.
        batch: Rows that go through the model together.
        progress: Called after each batch.
    """
    own = torch.zeros(len(rows), 2)  # nats of each row: all tokens, the first five
    other = torch.zeros(len(rows))
    partner = _derangement(len(rows), seed=seed)
    norms = []
    for part in parts_by_length(rows.lengths, batch):
        ids, lengths = rows.padded(part)
        with torch.no_grad(), told_out_of_memory(len(part), prompt.tokens + ids.shape[1]):
            prompts = prompt(rows.z[part])
            costs = backbone.token_losses(prompts, ids, lengths)  # [b, L]
            own[part] = torch.stack([costs.sum(1), costs[:, :FIRST_TOKENS].sum(1)], 1).cpu()
            if prompt.uses_context:
                exchanged = prompt(rows.z[[partner[row] for row in part]])
                other[part] = backbone.token_losses(exchanged, ids, lengths).sum(1).cpu()
            norms.append(prompts.norm(dim=-1).mean(1).cpu())
        progress()
    lengths = torch.tensor(rows.lengths, dtype=torch.float64)
    differences = (other - own[:, 0]).double() if prompt.uses_context else torch.zeros(len(rows))
    gap, error = ratio_with_error(differences, lengths)
    return Evaluation(
        rows=len(rows),
        held_out_nll=float(own[:, 0].double().sum() / lengths.sum()),
        first5_nll=float(own[:, 1].double().sum() / lengths.clamp_max(FIRST_TOKENS).sum()),
        shuffled_gap=gap,
        shuffled_gap_error=error,
        mixture_entropy=_mixture_entropy(prompt, rows.z),
        output_norm=float(torch.cat(norms).mean()),
        embedding_norm=_embedding_norm(backbone),
    )


def evaluate_bare(
    backbone: Backbone, rows: TokenRows, *, start_ids: Sequence[int], batch: int
) -> float:
    """The loss of the frozen model after `start_ids` alone, in nats a token."""
    begin = backbone.embed(torch.tensor([list(start_ids)]))  # [1, t, d]
    total = 0.0
    for part in parts_by_length(rows.lengths, batch):
        ids, lengths = rows.padded(part)
        with torch.no_grad(), told_out_of_memory(len(part), len(start_ids) + ids.shape[1]):
            total += float(
                backbone.token_losses(begin.expand(len(part), -1, -1), ids, lengths).sum()
            )
    return total / sum(rows.lengths)


def ratio_with_error(values: Tensor, sizes: Tensor) -> tuple[float, float]:
    """Σ values / Σ sizes and its standard error, from how the pairs [n] scatter around it."""
    values, sizes = values.double(), sizes.double()
    count = len(values)
    ratio = values.sum() / sizes.sum()
    scatter = ((values - ratio * sizes) ** 2).sum()
    error = (scatter * count / max(1, count - 1)).sqrt() / sizes.sum()
    return float(ratio), float(error)


def _derangement(count: int, *, seed: int) -> list[int]:
    """For each row another one, in one circle."""
    circle = list(range(count))
    generator(seed, "exchange of contexts").shuffle(circle)
    partner = [0] * count
    for place, row in enumerate(circle):
        partner[row] = circle[(place + 1) % count]
    return partner


def _mixture_entropy(prompt: SoftPrompt, z: Tensor) -> float | None:
    with torch.no_grad():
        weights = prompt.mixture(z)  # [n, k]
    if weights is None:
        return None
    return float(torch.special.entr(weights).sum(-1).mean())


def _embedding_norm(backbone: Backbone) -> float:
    count = vocabulary_size(backbone.lm)
    ids = torch.linspace(0, count - 1, min(count, _SCANNED), dtype=torch.float64).long()
    return float(backbone.embed(ids).float().norm(dim=-1).mean())
