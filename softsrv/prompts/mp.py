"""SS_MPk of SoftSRV (arXiv 2410.16534, section 3): a mixture of k matrices."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from metasynth.config.softsrv import PromptConfig
from metasynth.softsrv.parameterisation import parameterisation
from metasynth.softsrv.soft_prompt import SoftPrompt, Start, fill_as_linear

_APART = 0.02  # how far the bases lie apart where all begin at the same embedding (BOS)


@parameterisation("a mixture of k trained matrices, its weights from z")
class MixturePrompt(SoftPrompt):
    """P = Σ_i w_i P_i with w = softmax(W z + b); with k = 1 it is SS_NP."""

    def __init__(self, config: PromptConfig, *, width: int, context_width: int) -> None:
        super().__init__(config, width=width, context_width=context_width)
        bases = config.bases
        self.bases = nn.Parameter(torch.empty(bases, self.tokens, width))
        self.gate_weight = nn.Parameter(torch.empty(bases, context_width))
        self.gate_bias = nn.Parameter(torch.empty(bases))

    def mixture(self, z: Tensor) -> Tensor:
        return F.linear(z, self.gate_weight, self.gate_bias).softmax(-1)

    def forward(self, z: Tensor) -> Tensor:
        mixed = self.mixture(z) @ self.bases.flatten(1)  # [B, t * d]
        return mixed.view(-1, self.tokens, self.width)

    @classmethod
    def starts(cls, config: PromptConfig) -> int:
        return config.bases

    def initialise(self, start: Start) -> None:
        # Bases that begin equal stay equal; offsets that sum to zero keep their plain average.
        columns, generator = start.columns, start.generator
        apart = torch.randn(columns.shape, generator=generator) * start.std * _APART
        self.bases.copy_(columns + apart - apart.mean(0, keepdim=True))
        fill_as_linear(self.gate_weight, fan_in=self.context_width, generator=generator)
        self.gate_bias.zero_()

    @classmethod
    def sizes(cls, config: PromptConfig) -> str:
        return f"{config.bases} bases"
