"""SS_MC of SoftSRV (arXiv 2410.16534, section 3): one MLP a soft token.

The paper writes P as d×t and says F_i : R^{d_e} → R^t for the MLPs; t outputs of length t give no
d×t matrix, so F_i : R^{d_e} → R^d here. It names no activation; GELU is our choice.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from metasynth.config.softsrv import PromptConfig
from metasynth.softsrv.parameterisation import parameterisation
from metasynth.softsrv.soft_prompt import SoftPrompt, Start, fill_as_linear

_LAST = 0.5  # of the last layer's weights, against what would give outputs of the embeddings' size
_LAST_OF_TEXT = 0.1  # the same where a text is the start: it would be drowned


@parameterisation("one MLP of z for each soft token")
class PerTokenPrompt(SoftPrompt):
    """Column i of P is F_i(z), an MLP; all of them lie in tensors [t, out, in]."""

    def __init__(self, config: PromptConfig, *, width: int, context_width: int) -> None:
        super().__init__(config, width=width, context_width=context_width)
        layers = list(pairwise([context_width, *[config.hidden] * (config.layers - 1), width]))
        self.weights = nn.ParameterList(torch.empty(self.tokens, out, into) for into, out in layers)
        self.biases = nn.ParameterList(torch.empty(self.tokens, out) for _, out in layers)

    def forward(self, z: Tensor) -> Tensor:
        first, *rest = zip(self.weights, self.biases, strict=True)
        # All MLPs read the same z: their first layers are one matrix.
        states = F.linear(z, first[0].flatten(0, 1), first[1].flatten())  # [B, t * h]
        states = states.view(len(z), *first[1].shape).transpose(0, 1)  # [t, B, h]
        for weight, bias in rest:
            states = torch.baddbmm(bias[:, None], F.gelu(states), weight.mT)
        return states.transpose(0, 1)

    def initialise(self, start: Start) -> None:
        for weight, bias in zip(self.weights, self.biases, strict=True):
            fill_as_linear(weight, fan_in=weight.shape[-1], generator=start.generator)
            fill_as_linear(bias, fan_in=weight.shape[-1], generator=start.generator)
        self.weights[-1].mul_(_LAST * start.std)
        if start.is_text:
            self.weights[-1].mul_(_LAST_OF_TEXT / _LAST)
        self.biases[-1].copy_(start.columns[0])

    @classmethod
    def learning_rates(cls, embedding_std: float) -> tuple[float, ...]:  # noqa: ARG003
        """Three layers add up over all hidden units: far lower than for embeddings."""
        return (1e-4, 3e-4, 1e-3, 3e-3)

    @classmethod
    def kept_numbers(cls, config: PromptConfig) -> int:
        """The hidden units of each MLP before and after GELU."""
        return config.tokens * config.hidden * (config.layers - 1) * 2

    @classmethod
    def sizes(cls, config: PromptConfig) -> str:
        return f"{config.layers} layers of {config.hidden}"
