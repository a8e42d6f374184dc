"""Raw vectors of texts, before they are standardised: from a language model or a sentence embedder.

"Average of token embeddings", the paper says of E; its appendix speaks of per-token representations
of a language model. Both readings are here: means of last hidden states, or of input embeddings.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from metasynth.config.softsrv import EncoderConfig
from metasynth.errors import RequestError
from metasynth.lm.fingerprint import model_fingerprint
from metasynth.lm.load import LoadedLM, load_lm
from metasynth.softsrv.backbone import Backbone
from metasynth.vectors.cache import VectorCache, text_key
from metasynth.vectors.embed import SentenceEmbedder, load_embedder

_BATCH_TOKENS = 8192
_BATCH_ROWS = 64


class TextVectors(Protocol):
    """Texts to raw vectors [n, D], float32 on the CPU."""

    @property
    def model_id(self) -> str:
        """Names the weights and the way of pooling."""

    @property
    def device(self) -> torch.device:
        """Where z is wanted."""

    def __call__(self, texts: Sequence[str]) -> Tensor: ...

    def close(self) -> None:
        """Let go of the cache."""


def text_vectors(
    config: EncoderConfig, *, backbone: Backbone, cache: Path | None, expected: str | None = None
) -> TextVectors:
    """What computes the raw vectors that a configuration asks for.

    Args:
        expected: The `model_id` that it has to have.

    Raises:
        RequestError: It has another, or cannot be loaded.
    """
    if config.model == "backbone" or config.model.startswith("lm:"):
        pooled = _PooledLM(config, backbone=backbone, cache=cache, expected=expected)
        if expected is None or config.model == "backbone":
            _ = pooled.lm  # fails now rather than at the first text
        return pooled
    vectors = _SentenceVectors(config.model, device=backbone.device, cache=cache)
    _compare(config.model, found=vectors.model_id, expected=expected)
    return vectors


class _SentenceVectors:
    """The packaged sentence embedder, or another; it has a cache of its own."""

    def __init__(self, name: str, *, device: torch.device, cache: Path | None) -> None:
        self.device = device
        self._embedder: SentenceEmbedder = load_embedder(name, cache=cache)
        self.model_id = self._embedder.model_id

    def __call__(self, texts: Sequence[str]) -> Tensor:
        return torch.from_numpy(self._embedder.vectors(texts))

    def close(self) -> None:
        self._embedder.close()


class _PooledLM:
    """Masked means over a causal language model's tokens, cached by its weights and the text."""

    def __init__(
        self,
        config: EncoderConfig,
        *,
        backbone: Backbone,
        cache: Path | None,
        expected: str | None,
    ) -> None:
        self.device = backbone.device
        self._config = config
        self._backbone = backbone
        self._cache_file = cache
        self._expected = expected

    @cached_property
    def lm(self) -> LoadedLM:
        """The model, once it is known to be the right one."""
        name = self._config.model
        lm = self._backbone.lm
        if name != "backbone":
            lm = load_lm(name.removeprefix("lm:"), device=str(self.device))
        _compare(name, found=self._id_of(lm), expected=self._expected)
        return lm

    @cached_property
    def model_id(self) -> str:
        return self._expected or self._id_of(self.lm)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        keys = [text_key(text) for text in texts]
        unseen = dict(zip(keys, texts, strict=True))
        found = self._cache.get(list(unseen))
        unseen = {key: text for key, text in unseen.items() if key not in found}
        if unseen:
            lm, config = self.lm, self._config
            rows = pooled_vectors(
                lm, list(unseen.values()), pooling=config.pooling, max_tokens=config.max_tokens
            )
            new = dict(zip(unseen, ((row.numpy(), False) for row in rows), strict=True))
            self._cache.put(new)
            found.update(new)
        return torch.stack([torch.tensor(found[key][0]) for key in keys])

    def close(self) -> None:
        self._cache.close()

    @cached_property
    def _cache(self) -> VectorCache:
        # the same weights give slightly other vectors in another dtype
        return VectorCache(self._cache_file, f"{self.model_id}:{self.lm.model.dtype}")

    def _id_of(self, lm: LoadedLM) -> str:
        backbone = self._backbone
        weights = backbone.fingerprint if lm is backbone.lm else model_fingerprint(lm.model)
        return f"lm:{weights}:{self._config.pooling}:{self._config.max_tokens}"


def pooled_vectors(
    lm: LoadedLM, texts: Sequence[str], *, pooling: Literal["hidden", "input"], max_tokens: int
) -> Tensor:
    """Means [n, D] over each text's tokens, float32 on the CPU, independent of padding.

    Tokens that the tokenizer adds (BOS) are read by the model, as it is used to, but not averaged:
    their hidden states are far larger than any word's and the same for every text. A text without
    tokens has the vector zero.

    Args:
        pooling: Over last hidden states, or over input embeddings.
        max_tokens: A longer text is cut.
    """
    states = _last_hidden(lm) if pooling == "hidden" else _embedded(lm)
    limit = min(max_tokens, lm.context_length)
    rows = [_read(lm, text, limit=limit) for text in texts]
    width = int(states(torch.zeros(1, 1, dtype=torch.long, device=lm.device), None).shape[-1])
    means = torch.zeros(len(texts), width)
    for batch in _batches([len(ids) for ids, _ in rows]):
        ids, mask, counted = _padded([rows[place] for place in batch])
        with torch.no_grad():
            found = states(ids.to(lm.device), mask.to(lm.device)).float()  # [b, L, D]
            weights = counted.to(lm.device, torch.float32)[..., None]
            total = (found * weights).sum(1) / weights.sum(1).clamp_min(1.0)
        means[batch] = total.cpu()
    return means


States = Callable[[Tensor, Tensor | None], Tensor]


def _last_hidden(lm: LoadedLM) -> States:
    body: Any = lm.model.base_model
    if body is lm.model:
        raise RequestError(
            f"model {lm.name!r} shows no hidden states apart from its logits",
            hint="set encoder.pooling: input, or take another encoder",
            code="no_hidden_states",
        )

    def states(ids: Tensor, mask: Tensor | None) -> Tensor:
        return body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state  # type: ignore[no-any-return]

    return states


def _embedded(lm: LoadedLM) -> States:
    embedding: Any = lm.model.get_input_embeddings()
    return lambda ids, _: embedding(ids)


def _read(lm: LoadedLM, text: str, *, limit: int) -> tuple[list[int], list[bool]]:
    """A text's tokens as the model reads them, and which of them are the text's own."""
    clean = text.encode("utf-8", "replace").decode()
    found: Any = lm.tokenizer(clean, return_special_tokens_mask=True, verbose=False)
    own = [not special for special in found["special_tokens_mask"]]
    return found["input_ids"][:limit], own[:limit]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of like length, as many as fit; texts without tokens are left out."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if lengths[place] == 0:
            continue
        if (batch and (len(batch) + 1) * lengths[place] > _BATCH_TOKENS) or len(
            batch
        ) == _BATCH_ROWS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _padded(rows: Sequence[tuple[list[int], list[bool]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, attention mask and which tokens count, each [b, L], padded at the right."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    counted = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, (row, own) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
        counted[number, : len(row)] = torch.tensor(own)
    return ids, mask, counted


def _compare(name: str, *, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        raise RequestError(
            f"encoder {name!r} is not the one that the soft prompt was trained with "
            f"(it is {found}, not {expected})",
            hint="give the encoder of the training, or train again",
            code="other_encoder",
        )
