"""What is asked of a language model, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from metasynth.errors import ContextLimitError
from metasynth.lm.load import LoadedLM, vocabulary_size

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class GenerationSettings:
    """How one answer is drawn; temperature 0: the likeliest token; top_k 0 and top_p 1: off."""

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()


class TokenConstraint(Protocol):
    """What may come next, for one answer. It is called by the engine's thread only."""

    def allowed(self) -> "NDArray[np.bool_]":
        """The tokens that may follow: an array of shape [vocabulary]."""

    def accept(self, token: int, /) -> None:
        """Take note of the token that was drawn."""

    def is_finished(self) -> bool:
        """Whether nothing may follow, so that no end token is needed."""


@dataclass(frozen=True, eq=False)
class SoftPrefix:
    """Vectors that stand before a prompt, in the place of embedded tokens.

    Requests that hold the same object share its keys and values, so it must not change; an equal
    one is another prefix.

    Attributes:
        embeddings: [soft tokens, width of the model], on any device, of any floating type: as the
            model's embedding module would give them, cast to the model's type when they are read.
    """

    embeddings: "torch.Tensor"

    def __len__(self) -> int:
        return len(self.embeddings)


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt, how to draw the answer, and optionally what the answer may be.

    Attributes:
        prompt_ids: The prompt in tokens; it may be empty where there is a prefix.
        prefix: What stands before it.
    """

    prompt_ids: Sequence[int]
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    constraint: TokenConstraint | None = None
    prefix: SoftPrefix | None = None

    @property
    def prompt_tokens(self) -> int:
        """Tokens before the answer, soft ones counted."""
        return len(self.prompt_ids) + (0 if self.prefix is None else len(self.prefix))


@dataclass(frozen=True)
class Generation:
    """An answer.

    Attributes:
        token_ids: What was drawn, without the end token.
        text: The same as text, without special tokens, cut before a stop string.
        prompt_tokens: How many tokens stood before it, soft ones counted.
        completion_tokens: How many tokens were drawn, the end token included.
    """

    token_ids: tuple[int, ...]
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


def check_request(request: GenerationRequest, lm: LoadedLM) -> None:
    """Refuse what `lm` cannot answer, before anything is computed.

    Raises:
        ContextLimitError: Prefix, prompt and answer together are longer than the model's context.
        ValueError: There is nothing before the answer, or no token is asked for; the prompt is no
            text of this model; the prefix has another width, or holds what is no number.
    """
    prompt, answer = request.prompt_tokens, request.settings.max_new_tokens
    if not prompt or answer < 1:
        raise ValueError("a request needs a prompt and room for at least one token")
    ids = request.prompt_ids
    if ids and not 0 <= min(ids) <= max(ids) < vocabulary_size(lm):
        raise ValueError("the prompt holds numbers that are not in the vocabulary")
    if request.prefix is not None:
        _check_prefix(request.prefix, lm)
    if prompt + answer > lm.context_length:
        raise ContextLimitError(
            f"prompt of {prompt} tokens and {answer} for the answer exceed the context of "
            f"{lm.context_length} tokens of {lm.name}",
            hint="attach less, lower max_tokens, or take a model with a longer context",
            code="context_limit",
        )


def _check_prefix(prefix: SoftPrefix, lm: LoadedLM) -> None:
    embeddings: Any = lm.model.get_input_embeddings()
    width: int = embeddings.embedding_dim
    shape = tuple(prefix.embeddings.shape)
    if len(shape) != 2 or not shape[0] or shape[1] != width:
        raise ValueError(f"a soft prefix is [soft tokens, {width}] for {lm.name}, not {shape}")
    if not prefix.embeddings.is_floating_point():
        raise ValueError("a soft prefix is made of floating-point numbers")
    # once in the cache, a NaN would spread to the rows that come after: masked, it is 0 * NaN
    if not bool(prefix.embeddings.detach().to(lm.model.dtype).isfinite().all()):
        raise ValueError(f"the soft prefix holds what is no number in {lm.model.dtype}")
