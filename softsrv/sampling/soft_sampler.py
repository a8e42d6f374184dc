"""Samples x' ~ H(P_θ(z)) from a trained soft prompt, cycling z over the training examples.

As in the paper (arXiv 2410.16534, section 3) the soft prompt stands alone: no text, no template.
Every setting of the generation is given; none is taken from the model's folder, where a `top_k` or
a temperature may be hidden.
"""

import weakref
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from metasynth.config.softsrv import SamplingConfig
from metasynth.errors import RequestError
from metasynth.lm.engine.loop import BatchEngine
from metasynth.lm.engine.requests import (
    Generation,
    GenerationRequest,
    GenerationSettings,
    SoftPrefix,
)
from metasynth.lm.engine.stream import answers_in_order
from metasynth.randomness import derive_seed, generator
from metasynth.softsrv.artifact import SteeringArtifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.soft_prompt import SoftPrompt

from .samples import Sample

MIN_STOP_RATE = 0.95  # below, samples are cut off too often for their end to have been learnt


@dataclass(frozen=True)
class SamplingSummary:
    """How samples ended."""

    samples: int
    stopped: int
    tokens: int

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "SamplingSummary":
        """The summary of some samples."""
        ends = [(sample.stopped, sample.tokens) for sample in samples]
        return cls(len(ends), sum(stopped for stopped, _ in ends), sum(size for _, size in ends))

    @property
    def stop_rate(self) -> float:
        """Share that ended by themselves; 1 where there are none."""
        return self.stopped / self.samples if self.samples else 1.0

    @property
    def truncation_rate(self) -> float:
        """Share that was cut off."""
        return 1 - self.stop_rate

    @property
    def is_flagged(self) -> bool:
        """Whether so many were cut off that the end was not learnt, or the room is too small."""
        return self.stop_rate < MIN_STOP_RATE


class SoftSampler:
    """Samples from a trained soft prompt, many contexts at once.

    It holds an engine (a thread, and on an accelerator memory) until `close`, or until it is
    forgotten; what it has read of a soft prompt serves later calls.

    Args:
        backbone: The model that the artifact steers.
        artifact: The soft prompt, the encoder and the contexts of its training rows.
        config: How samples are drawn.
        seed: With a sample's number, decides everything about it.

    Raises:
        RequestError: The soft prompt and a sample do not fit into the model's context, the soft
            prompt has another width or holds no numbers, or the model cannot be decoded.
    """

    def __init__(
        self, backbone: Backbone, artifact: SteeringArtifact, config: SamplingConfig, *, seed: int
    ) -> None:
        _require_fit(backbone, artifact.prompt)
        _require_room(backbone, artifact.prompt.tokens, config)
        self._artifact = artifact
        self._config = config
        self._seed = seed
        self._order = list(range(len(artifact.contexts)))
        generator(seed, "contexts").shuffle(self._order)
        self._prefixes = _SharedPrefixes(artifact.prompt)
        self._engine = BatchEngine(backbone.lm, max_batch=config.max_batch)
        self._finalizer = weakref.finalize(self, self._engine.close)

    def __enter__(self) -> "SoftSampler":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine; samples that are on their way are lost."""
        self._finalizer()

    def sample(
        self, count: int, *, start: int = 0, contexts: Sequence[int] | None = None
    ) -> Generator[Sample, None, None]:
        """Samples number `start` to `start + count - 1`, in this order.

        They are drawn ahead of the caller, but not without bound; when the caller stops early, so
        does the drawing.

        Args:
            count: How many.
            start: The number of the first one. Number i is the same whatever else is drawn (up to
                rounding of the arithmetic, which depends on who shares a batch).
            contexts: Indices of training rows to cycle over, in this order; None takes all of them
                in the order that the seed gives.

        Raises:
            ValueError: `count` or `start` is negative, or there is no such context.
            ModelCallError: The model cannot answer, or the sampler was closed.
        """
        chosen = self._order if contexts is None else list(contexts)
        if count < 0 or start < 0:
            raise ValueError("samples are counted from 0 up")
        if not chosen or not 0 <= min(chosen) <= max(chosen) < len(self._order):
            raise ValueError(f"contexts are indices from 0 to {len(self._order) - 1}")
        return self._samples(range(start, start + count), chosen)

    def near(self, query: str, n: int) -> list[int]:
        """The `n` contexts nearest to a text or to keywords, nearest first, by cosine of E."""
        contexts = self._artifact.contexts
        z = self._artifact.encoder.encode([query]).to(contexts)
        closeness = torch.cosine_similarity(z, contexts, dim=-1)  # [n contexts]
        return closeness.argsort(descending=True, stable=True)[:n].tolist()

    def _samples(self, numbers: range, chosen: list[int]) -> Generator[Sample, None, None]:
        rows = self._artifact.rows
        with closing(answers_in_order(self._engine, self._requests(numbers, chosen))) as answers:
            for number, answer in zip(numbers, answers, strict=True):
                context_id = rows[chosen[number % len(chosen)]].id
                yield _as_sample(answer, context_id, number, self._seed_of(number))

    def _requests(self, numbers: range, chosen: list[int]) -> Iterator[GenerationRequest]:
        """One for each number; soft prompts are made a batch at a time, just before their use."""
        size = self._config.max_batch
        for first in range(0, len(numbers), size):
            part = numbers[first : first + size]
            z = self._contexts(part, [chosen[number % len(chosen)] for number in part])
            for number, prefix in zip(part, self._prefixes.of(z), strict=True):
                settings = _settings(self._config, self._seed_of(number))
                yield GenerationRequest((), settings, prefix=prefix)

    def _contexts(self, numbers: range, indices: list[int]) -> Tensor:
        """The vectors z [numbers, d_e], with the noise that the encoder asks for."""
        z = self._artifact.contexts[indices]
        encoder = self._artifact.encoder
        if not encoder.config.noise:
            return z
        noisy = []
        for row, number in enumerate(numbers):
            own = torch.Generator().manual_seed(derive_seed(self._seed, "noise", number))
            noisy.append(encoder.noisy(z[row], generator=own))
        return torch.stack(noisy)

    def _seed_of(self, number: int) -> int:
        return derive_seed(self._seed, "sample", number)


def unconditional(
    backbone: Backbone,
    count: int,
    config: SamplingConfig,
    *,
    seed: int,
    start: int = 0,
    start_ids: Sequence[int] | None = None,
) -> Generator[Sample, None, None]:
    """The frozen model's own samples, without a soft prompt, numbered as a `SoftSampler`'s.

    Args:
        backbone: The model.
        count: How many.
        config: How they are drawn.
        seed: With a sample's number, decides everything about it.
        start: The number of the first one.
        start_ids: The tokens that a text of this model begins with; None: its BOS token.

    Raises:
        RequestError: The model has no BOS token and `start_ids` is not given, or there is no room.
    """
    if start_ids is None:
        start_ids = () if backbone.bos_id is None else (backbone.bos_id,)
    if not start_ids:
        raise RequestError(
            f"model {backbone.lm.name!r} has no BOS token to begin an unconditional sample with",
            hint="name the tokens that its texts begin with",
            code="no_bos",
        )
    _require_room(backbone, len(start_ids), config)
    return _unconditional(backbone, range(start, start + count), config, seed, list(start_ids))


def _unconditional(
    backbone: Backbone, numbers: range, config: SamplingConfig, seed: int, start_ids: list[int]
) -> Generator[Sample, None, None]:
    # As a prefix, because the engine reads a prefix once for all rows.
    prefix = SoftPrefix(backbone.embed(torch.tensor(start_ids)))
    seeds = {number: derive_seed(seed, "unconditional", number) for number in numbers}
    requests = (
        GenerationRequest((), _settings(config, seeds[number]), prefix=prefix) for number in numbers
    )
    with (
        closing(BatchEngine(backbone.lm, max_batch=config.max_batch)) as engine,
        closing(answers_in_order(engine, requests)) as answers,
    ):
        for number, answer in zip(numbers, answers, strict=True):
            yield _as_sample(answer, "", number, seeds[number])


class _SharedPrefixes:
    """Soft prompts as prefixes: for one z the same object, as long as anyone holds it.

    The engine shares the keys and values of one object, and holds it as long as it keeps them.
    """

    def __init__(self, prompt: SoftPrompt) -> None:
        self._prompt = prompt
        self._device = next(prompt.parameters()).device
        self._alive: weakref.WeakValueDictionary[bytes, SoftPrefix] = weakref.WeakValueDictionary()

    def of(self, z: Tensor) -> list[SoftPrefix]:
        """The prefix of each context vector [B, d_e]."""
        uses_context = self._prompt.uses_context
        keys = [row.numpy().tobytes() if uses_context else b"" for row in z.float().cpu()]
        found = {key: held for key in keys if (held := self._alive.get(key)) is not None}
        missing = {key: row for row, key in enumerate(keys) if key not in found}
        if missing:
            with torch.no_grad():
                prompts = self._prompt(z[list(missing.values())].to(self._device))  # [m, t, d]
            for key, prompt in zip(missing, prompts, strict=True):
                found[key] = SoftPrefix(prompt.clone())  # a view would hold all of them in memory
                self._alive[key] = found[key]
        return [found[key] for key in keys]


def _settings(config: SamplingConfig, seed: int) -> GenerationSettings:
    return GenerationSettings(
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        seed=seed,
    )


def _as_sample(answer: Generation, context_id: str, number: int, seed: int) -> Sample:
    return Sample(
        text=answer.text,
        context_id=context_id,
        number=number,
        seed=seed,
        stopped=answer.finish_reason == "stop",
        tokens=answer.completion_tokens,
    )


def _require_fit(backbone: Backbone, prompt: SoftPrompt) -> None:
    if prompt.width != backbone.width:
        raise RequestError(
            f"a soft prompt of width {prompt.width} does not fit {backbone.lm.name}, whose "
            f"embeddings have {backbone.width}",
            hint="give the backbone that it was trained with",
            code="other_width",
        )
    if not all(bool(one.isfinite().all()) for one in prompt.parameters()):
        raise RequestError(
            "the soft prompt holds what is no number (NaN)",
            hint="train it again, more slowly",
            code="not_finite",
        )


def _require_room(backbone: Backbone, tokens: int, config: SamplingConfig) -> None:
    if tokens + config.max_new_tokens > backbone.context_length:
        raise RequestError(
            f"{tokens} tokens before a sample and {config.max_new_tokens} for it exceed the "
            f"context of {backbone.context_length} tokens of {backbone.lm.name}",
            hint="lower softsrv.sampling.max_new_tokens",
            code="context_limit",
        )
