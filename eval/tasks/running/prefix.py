"""What questions share, read once: few-shot examples as a prefix of the batch engine."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from metasynth.lm.engine.requests import SoftPrefix
from metasynth.lm.load import LoadedLM

from .prompts import common_tokens

LEAST_PROMPTS, LEAST_TOKENS = 4, 32  # from where on a shared beginning is read apart
_COMPARED = 8  # of its tokens, by which it is found out whether vectors are read like ids


class SharedPrefix(NamedTuple):
    """Tokens that most questions begin with, and the same as vectors."""

    ids: tuple[int, ...]
    prefix: SoftPrefix


def shared_prefix(lm: LoadedLM, prompts: Sequence[Sequence[int]]) -> SharedPrefix | None:
    """What the middle half of the prompts, in the order of their tokens, begin with.

    None where it is short, where there are few prompts, or where the model does more to tokens than
    look their vectors up.
    """
    import torch

    ordered = sorted(tuple(ids) for ids in prompts)
    if len(ordered) < LEAST_PROMPTS:
        return None
    first, last = ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4]
    # a token is left to each, as what follows the prefix
    count = min(common_tokens(first, last), len(first) - 1, len(last) - 1)
    if count < LEAST_TOKENS:
        return None
    ids = first[:count]
    model: Any = lm.model
    with torch.inference_mode():
        embeddings = model.get_input_embeddings()(torch.tensor(ids, device=lm.device))
        tokens = torch.tensor([ids[:_COMPARED]], device=lm.device)
        by_ids = model(input_ids=tokens, use_cache=False).logits.float()
        vectors = embeddings[None, :_COMPARED]
        by_vectors = model(inputs_embeds=vectors, use_cache=False).logits.float()
        is_same = torch.allclose(by_ids, by_vectors, rtol=1e-3, atol=1e-3)
    return SharedPrefix(ids, SoftPrefix(embeddings)) if is_same else None
