"""What is asked of a language model, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
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


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt in tokens, how to draw the answer, and optionally what the answer may be."""

    prompt_ids: Sequence[int]
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    constraint: TokenConstraint | None = None


@dataclass(frozen=True)
class Generation:
    """An answer.

    Attributes:
        token_ids: What was drawn, without the end token.
        text: The same as text, without special tokens, cut before a stop string.
        completion_tokens: How many tokens were drawn, the end token included.
    """

    token_ids: tuple[int, ...]
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
