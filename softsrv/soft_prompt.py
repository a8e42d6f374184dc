"""What every soft prompt P_θ(z) has; its parameterisations are the files of `prompts`.

SoftSRV (arXiv 2410.16534, section 3) has three, as [B, t, d] here. Parameters are float32 whatever
the model computes in: at the paper's learning rate bfloat16 would not move.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from metasynth.config.softsrv import PromptConfig

_SHARES = (0.01, 0.03, 0.1, 0.3)  # of the embeddings' spread


@dataclass(frozen=True, eq=False)
class Start:
    """Where a soft prompt starts.

    Attributes:
        columns: Embeddings [k, t, d] that it is to start near, k as `SoftPrompt.starts` says.
        is_text: Whether the last of them are a text's, which noise or a strong dependence on z
            would drown.
        std: Standard deviation of the model's embeddings.
        generator: For all that is drawn, so that a seed decides it.
    """

    columns: Tensor
    is_text: bool
    std: float
    generator: torch.Generator


class SoftPrompt(nn.Module):
    """Vectors that stand where a model expects the embeddings of a text, from a context vector z.

    A parameterisation overrides `forward`, `initialise`, and of the rest what differs for it. Its
    constructor makes the parameters unfilled, so that they can be counted without memory.

    Args:
        config: t and the sizes; the artifact keeps it.
        width: d, the model's embedding width.
        context_width: d_e, the length of z.
    """

    summary: ClassVar[str] = ""
    uses_context: ClassVar[bool] = True

    def __init__(self, config: PromptConfig, *, width: int, context_width: int) -> None:
        super().__init__()
        self.config = config
        self.tokens = config.tokens
        self.width = width
        self.context_width = context_width

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """The soft prompts [B, t, d] of context vectors [B, d_e]."""

    @abstractmethod
    def initialise(self, start: Start) -> None:
        """Fill the parameters."""

    def mixture(self, z: Tensor) -> Tensor | None:  # noqa: ARG002
        """The weights [B, k] of what is mixed, where the prompt is a mixture."""
        return None

    @classmethod
    def starts(cls, config: PromptConfig) -> int:  # noqa: ARG003
        """k: how many matrices [t, d] of embeddings it starts near."""
        return 1

    @classmethod
    def learning_rates(cls, embedding_std: float) -> tuple[float, ...]:
        """What `learning_rate: search` tries, ascending: as here where θ are embeddings."""
        return tuple(float(f"{share * embedding_std:.2g}") for share in _SHARES)

    @classmethod
    def kept_numbers(cls, config: PromptConfig) -> int:  # noqa: ARG003
        """Float32 numbers that a backward pass keeps for one z, P itself apart: the dry run's."""
        return 0

    @classmethod
    def sizes(cls, config: PromptConfig) -> str:  # noqa: ARG003
        """The sizes of its own, in words, for a person."""
        return ""


def fill_as_linear(parameter: Tensor, *, fan_in: int, generator: torch.Generator) -> None:
    """Fill as torch fills a linear layer: uniform within ±1/√(inputs)."""
    bound = 1 / math.sqrt(fan_in)
    parameter.uniform_(-bound, bound, generator=generator)
