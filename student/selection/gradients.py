"""Gradients of a row with respect to the output layer, in factors: never vocabulary x width.

With logits W h and p = softmax(W h), the gradient of -log p(label) is q ⊗ h, q = p - onehot(label).
Of q the largest entries are kept, so a place of an answer takes m + 1 + d numbers instead of V d.
A row's gradient is the mean over its places, G = (1/T) Σ_j q_j ⊗ h_j, and

    ⟨G_a, G_b⟩ = (1 / T_a T_b) Σ_ij (q_ai · q_bj) (h_ai · h_bj)

(BADGE: Ash et al. 2020, code JordanAsh/badge; the sum over tokens is ours, checked against the
exact form). Where a model changes its logits after W h (Gemma-2 caps them), q is the gradient with
respect to the changed logits; the cap's own slope is left out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM
from metasynth.lm.logprobs import Places, Reduce, Statistics, log_probabilities

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GradientEmbeddings:
    """The gradients of rows, in factors.

    Attributes:
        q: The entries of p - onehot(label) that are kept, [places, m + 1].
        token_ids: The tokens that these entries belong to, [places, m + 1]; a token that occurs
            twice in a place has its value in one of them and 0 in the other.
        label_column: Where the label stands in `q`, [places].
        h: Last hidden states, [places, d].
        starts: Row i has the places starts[i] to starts[i + 1] - 1, [rows + 1].
    """

    q: Floats
    token_ids: NDArray[np.int32]
    label_column: NDArray[np.int32]
    h: Floats
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def probabilities(self) -> Floats:
        """p at the entries kept, [places, m + 1]; 0 where an entry repeats a token."""
        p = self.q.copy()
        p[np.arange(len(p)), self.label_column] += 1
        return p

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "GradientEmbeddings":
        """The gradients of some rows, in the order given."""
        chosen = np.asarray(rows, dtype=np.int64)
        counts = np.diff(self.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[chosen] - starts[:-1], counts)
        return GradientEmbeddings(
            q=self.q[places],
            token_ids=self.token_ids[places],
            label_column=self.label_column[places],
            h=self.h[places],
            starts=starts,
        )


def gradient_embeddings(
    lm: LoadedLM,
    encoded: Iterable[Encoded],
    *,
    top_tokens: int = 64,
    label: Literal["argmax", "target"] = "argmax",
    places: Literal["all", "first"] = "all",
    tokens_per_batch: int = 8192,
    on_batch: Callable[[int], object] | None = None,
) -> GradientEmbeddings:
    """The gradients of sequences in one forward pass each, in their order.

    Args:
        lm: The model.
        encoded: Sequences; their targets are the places that are looked at.
        top_tokens: m: how many entries of q are kept beside the label's. What is dropped has a
            squared length of at most the smallest p kept times the probability left out.
        label: What the model is held to: its likeliest token (BADGE), or the token that stands
            there (the gradient of the loss).
        places: All of a sequence's targets, whose gradients are averaged, or its first alone.
        tokens_per_batch: Tokens of one forward pass.
        on_batch: See `log_probabilities`.
    """
    found = log_probabilities(
        lm,
        encoded if places == "all" else map(_first_place, encoded),
        reduce=_factors(top_tokens, label),
        tokens_per_batch=tokens_per_batch,
        on_batch=on_batch,
    )
    rows = [{name: tensor.numpy() for name, tensor in one.items()} for one in found]
    if not rows:
        raise ValueError("there is no row whose gradient could be taken")
    counts = [len(row["q"]) for row in rows]
    return GradientEmbeddings(
        **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]},
        starts=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
    )


def _first_place(row: Encoded) -> Encoded:
    first = list(row.is_target).index(True)
    end = first + 1  # causal: what stands behind cannot matter
    return Encoded(row.ids[:end], row.is_target[:end])


def _factors(top_tokens: int, label: Literal["argmax", "target"]) -> Reduce:
    """What `GradientEmbeddings` keeps of each place."""
    import torch

    def reduce(places: Places) -> Statistics:
        p = places.logits.softmax(-1)
        kept, tokens = p.topk(min(top_tokens, p.shape[-1]), dim=-1)  # the likeliest first
        labels = tokens[:, 0] if label == "argmax" else places.targets
        among = tokens == labels[:, None]
        inside = among.any(-1)
        columns = torch.where(inside, among.int().argmax(-1), kept.shape[-1])
        own = p.gather(-1, labels[:, None])
        q = torch.cat([kept, own.masked_fill(inside[:, None], 0.0)], -1)
        q[torch.arange(len(q), device=q.device), columns] -= 1
        return {
            "q": q,
            "token_ids": torch.cat([tokens, labels[:, None]], -1).int(),
            "label_column": columns.int(),
            "h": places.hidden.float(),
        }

    return reduce
