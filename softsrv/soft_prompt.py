"""The three soft prompts P_θ(z) of SoftSRV (arXiv 2410.16534, section 3), as [B, t, d].

The paper writes P as d×t and says F_i : R^{d_e} → R^t for the MLPs; t outputs of length t give no
d×t matrix, so F_i : R^{d_e} → R^d here. It names no activation; GELU is our choice. Parameters are
float32 whatever the model computes in: at the paper's learning rate bfloat16 would not move.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from metasynth.config.softsrv import PromptConfig
from metasynth.errors import ConfigError
from metasynth.lm.load import vocabulary_size
from metasynth.randomness import derive_seed
from metasynth.softsrv.backbone import Backbone

_LAST = 0.5  # of the last layer's weights, against what would give outputs of the embeddings' size
_LAST_OF_TEXT = 0.1  # the same where a text is the start: it would be drowned
_APART = 0.02  # how far the bases of a mixture lie apart where all begin at the same embedding


class SoftPrompt(nn.Module):
    """Vectors that stand where a model expects the embeddings of a text, from a context vector z.

    Args:
        tokens: t, how many vectors.
        width: d, the model's embedding width.
        context_width: d_e, the length of z.
    """

    def __init__(self, *, tokens: int, width: int, context_width: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.width = width
        self.context_width = context_width

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """The soft prompts [B, t, d] of context vectors [B, d_e]."""

    def mixture(self, z: Tensor) -> Tensor | None:  # noqa: ARG002
        """The weights [B, k] of the bases, where the prompt is a mixture."""
        return None

    @property
    @abstractmethod
    def settings(self) -> PromptConfig:
        """The configuration that gives a soft prompt of this shape."""

    @abstractmethod
    def initialise(self, columns: Tensor, *, std: float, generator: torch.Generator) -> None:
        """Start near `columns` [k, t, d]; `std` is the size of the model's embeddings."""


class NonContextualPrompt(SoftPrompt):
    """SS_NP: one trained matrix, whatever z is."""

    def __init__(self, *, tokens: int, width: int, context_width: int) -> None:
        super().__init__(tokens=tokens, width=width, context_width=context_width)
        self.columns = nn.Parameter(torch.empty(tokens, width))

    @property
    def settings(self) -> PromptConfig:
        return PromptConfig(parameterisation="np", tokens=self.tokens)

    def forward(self, z: Tensor) -> Tensor:
        return self.columns.expand(z.shape[0], -1, -1)

    def initialise(self, columns: Tensor, *, std: float, generator: torch.Generator) -> None:  # noqa: ARG002
        with torch.no_grad():
            self.columns.copy_(columns[0])


class MixturePrompt(SoftPrompt):
    """SS_MPk: Σ_i w_i P_i with w = softmax(W z + b); with k = 1 it is SS_NP."""

    def __init__(self, *, tokens: int, width: int, context_width: int, bases: int) -> None:
        super().__init__(tokens=tokens, width=width, context_width=context_width)
        self.bases = nn.Parameter(torch.empty(bases, tokens, width))
        self.gate_weight = nn.Parameter(torch.empty(bases, context_width))
        self.gate_bias = nn.Parameter(torch.empty(bases))

    @property
    def settings(self) -> PromptConfig:
        return PromptConfig(parameterisation="mp", tokens=self.tokens, bases=len(self.bases))

    def mixture(self, z: Tensor) -> Tensor:
        return F.linear(z, self.gate_weight, self.gate_bias).softmax(-1)

    def forward(self, z: Tensor) -> Tensor:
        mixed = self.mixture(z) @ self.bases.flatten(1)  # [B, t * d]
        return mixed.view(-1, self.tokens, self.width)

    def initialise(self, columns: Tensor, *, std: float, generator: torch.Generator) -> None:
        # Bases that begin equal stay equal; offsets that sum to zero keep their plain average.
        apart = torch.randn(columns.shape, generator=generator) * std * _APART
        with torch.no_grad():
            self.bases.copy_(columns + apart - apart.mean(0, keepdim=True))
            _like_linear(self.gate_weight, fan_in=self.context_width, generator=generator)
            self.gate_bias.zero_()


class PerTokenPrompt(SoftPrompt):
    """SS_MC: one MLP F_i for each soft token, all of them in tensors [t, out, in]."""

    def __init__(
        self, *, tokens: int, width: int, context_width: int, hidden: int, layers: int
    ) -> None:
        super().__init__(tokens=tokens, width=width, context_width=context_width)
        sizes = _sizes(context_width, hidden, width, layers)
        self.weights = nn.ParameterList(torch.empty(tokens, out, into) for into, out in sizes)
        self.biases = nn.ParameterList(torch.empty(tokens, out) for _, out in sizes)
        self.hidden = hidden

    @property
    def settings(self) -> PromptConfig:
        return PromptConfig(
            parameterisation="mc",
            tokens=self.tokens,
            hidden=self.hidden,
            layers=len(self.weights),
        )

    def forward(self, z: Tensor) -> Tensor:
        first, *rest = zip(self.weights, self.biases, strict=True)
        # All MLPs read the same z: their first layers are one matrix.
        states = F.linear(z, first[0].flatten(0, 1), first[1].flatten())  # [B, t * h]
        states = states.view(len(z), *first[1].shape).transpose(0, 1)  # [t, B, h]
        for weight, bias in rest:
            states = torch.baddbmm(bias[:, None], F.gelu(states), weight.mT)
        return states.transpose(0, 1)

    def initialise(self, columns: Tensor, *, std: float, generator: torch.Generator) -> None:
        with torch.no_grad():
            for weight, bias in zip(self.weights, self.biases, strict=True):
                _like_linear(weight, fan_in=weight.shape[-1], generator=generator)
                _like_linear(bias, fan_in=weight.shape[-1], generator=generator)
            self.weights[-1].mul_(_LAST * std)
            self.biases[-1].copy_(columns[0])


def make_soft_prompt(
    config: PromptConfig, backbone: Backbone, context_width: int, *, seed: int
) -> SoftPrompt:
    """A soft prompt of the wanted kind at its start, on the backbone's device.

    It starts near embeddings of tokens drawn without repetition (or at noise of the embeddings'
    size), column 0 at the BOS embedding: Gemma without a BOS is broken, and P is all it sees. With
    a text as the start, its last tokens stand in the last columns, before the first word to come.

    Raises:
        ConfigError: `init: text` without a text.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "soft prompt"))
    bases = config.bases if config.parameterisation == "mp" else 1
    shape = (bases, config.tokens, backbone.width)
    if config.init != "random":
        ids = _draw_tokens(backbone, bases, config.tokens, generator=generator)
        columns = backbone.embed(ids).float().cpu()
    else:
        columns = torch.randn(shape, generator=generator) * backbone.embedding_std
    if config.init == "text":
        text = _text_columns(config, backbone)
        columns[:, config.tokens - len(text) :] = text
    if config.bos_first and backbone.bos_id is not None:
        columns[:, 0] = backbone.embed(torch.tensor([backbone.bos_id]))[0].float().cpu()
    prompt = empty_soft_prompt(config, width=backbone.width, context_width=context_width)
    prompt.initialise(columns, std=backbone.embedding_std, generator=generator)
    if config.init == "text" and isinstance(prompt, PerTokenPrompt):
        with torch.no_grad():
            prompt.weights[-1].mul_(_LAST_OF_TEXT / _LAST)
    return prompt.to(backbone.device)


def empty_soft_prompt(config: PromptConfig, *, width: int, context_width: int) -> SoftPrompt:
    """A soft prompt of the wanted kind whose parameters are still to be filled in."""
    sizes = {"tokens": config.tokens, "width": width, "context_width": context_width}
    match config.parameterisation:
        case "np":
            return NonContextualPrompt(**sizes)
        case "mp":
            return MixturePrompt(**sizes, bases=config.bases)
        case "mc":
            return PerTokenPrompt(**sizes, hidden=config.hidden, layers=config.layers)


def parameter_count(config: PromptConfig, *, width: int, context_width: int) -> int:
    """How many numbers are trained."""
    matrix = config.tokens * width
    match config.parameterisation:
        case "np":
            return matrix
        case "mp":
            return config.bases * (matrix + context_width + 1)
        case "mc":
            sizes = _sizes(context_width, config.hidden, width, config.layers)
            return config.tokens * sum((into + 1) * out for into, out in sizes)


def _sizes(into: int, hidden: int, out: int, layers: int) -> list[tuple[int, int]]:
    """Input and output width of each linear layer of an MLP."""
    widths = [into, *[hidden] * (layers - 1), out]
    return list(pairwise(widths))


def _like_linear(parameter: Tensor, *, fan_in: int, generator: torch.Generator) -> None:
    """Fill as torch fills a linear layer: uniform within ±1/√(inputs)."""
    bound = 1 / math.sqrt(fan_in)
    parameter.uniform_(-bound, bound, generator=generator)


def _text_columns(config: PromptConfig, backbone: Backbone) -> Tensor:
    """The embeddings [n, d] of the last tokens of the text to start from, n at most t."""
    # The text is the user's own setting, so markers of the model's chat template count as such.
    found = backbone.lm.tokenizer(config.init_text, add_special_tokens=False)["input_ids"]
    if not found:
        raise ConfigError("softsrv.prompt.init_text: `init: text` needs a text to start from")
    return backbone.embed(torch.tensor(found[-config.tokens :])).float().cpu()


def _draw_tokens(
    backbone: Backbone, bases: int, tokens: int, *, generator: torch.Generator
) -> Tensor:
    """Tokens [k, t] that are all different, as long as the vocabulary has so many."""
    tokenizer = backbone.lm.tokenizer
    special: Sequence[int] = tokenizer.all_special_ids
    known = min(len(tokenizer), vocabulary_size(backbone.lm))  # models have rows that no token has
    pool = torch.tensor(sorted(set(range(known)) - set(special)) or list(range(known)))
    rounds = -(-bases * tokens // len(pool))
    drawn = [pool[torch.randperm(len(pool), generator=generator)] for _ in range(rounds)]
    return torch.cat(drawn)[: bases * tokens].view(bases, tokens)
