"""SS_NP of SoftSRV (arXiv 2410.16534, section 3): non-contextual."""

import torch
from torch import Tensor, nn

from metasynth.config.softsrv import PromptConfig
from metasynth.softsrv.parameterisation import parameterisation
from metasynth.softsrv.soft_prompt import SoftPrompt, Start


@parameterisation("one trained matrix, whatever z is", uses_context=False)
class NonContextualPrompt(SoftPrompt):
    """P = C, with C [t, d]."""

    def __init__(self, config: PromptConfig, *, width: int, context_width: int) -> None:
        super().__init__(config, width=width, context_width=context_width)
        self.columns = nn.Parameter(torch.empty(self.tokens, width))

    def forward(self, z: Tensor) -> Tensor:
        return self.columns.expand(z.shape[0], -1, -1)

    def initialise(self, start: Start) -> None:
        self.columns.copy_(start.columns[0])
