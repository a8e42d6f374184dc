"""A soft prompt of the configured parameterisation, at its start or still unfilled."""

from collections.abc import Sequence

import torch
from torch import Tensor

from metasynth.config.softsrv import PromptConfig
from metasynth.errors import ConfigError
from metasynth.lm.load import vocabulary_size
from metasynth.randomness import derive_seed

from .backbone import Backbone
from .parameterisation import PARAMETERISATIONS
from .soft_prompt import SoftPrompt, Start


def make_soft_prompt(
    config: PromptConfig, backbone: Backbone, context_width: int, *, seed: int
) -> SoftPrompt:
    """A soft prompt of the wanted kind at its start, on the backbone's device.

    It starts near embeddings of tokens drawn without repetition (or at noise of the embeddings'
    size), column 0 at the BOS embedding: Gemma without a BOS is broken, and P is all it sees. With
    a text as the start, its last tokens stand in the last columns, before the first word to come.

    Raises:
        RequestError: There is no such parameterisation (code `unknown_part`).
        ConfigError: `init: text` without a text (code `missing_key`).
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "soft prompt"))
    prompt = empty_soft_prompt(config, width=backbone.width, context_width=context_width)
    starts = prompt.starts(config)
    if config.init != "random":
        ids = _draw_tokens(backbone, starts, config.tokens, generator=generator)
        columns = backbone.embed(ids).float().cpu()
    else:
        shape = (starts, config.tokens, backbone.width)
        columns = torch.randn(shape, generator=generator) * backbone.embedding_std
    if config.init == "text":
        text = _text_columns(config, backbone)
        columns[:, config.tokens - len(text) :] = text
    if config.bos_first and backbone.bos_id is not None:
        columns[:, 0] = backbone.embed(torch.tensor([backbone.bos_id]))[0].float().cpu()
    start = Start(columns, config.init == "text", backbone.embedding_std, generator)
    with torch.no_grad():
        prompt.initialise(start)
    return prompt.to(backbone.device)


def empty_soft_prompt(config: PromptConfig, *, width: int, context_width: int) -> SoftPrompt:
    """A soft prompt of the wanted kind whose parameters are still to be filled in.

    Raises:
        RequestError: There is no such parameterisation (code `unknown_part`).
    """
    kind = PARAMETERISATIONS[config.parameterisation]
    return kind(config, width=width, context_width=context_width)


def parameter_count(config: PromptConfig, *, width: int, context_width: int) -> int:
    """How many numbers are trained; errors as above."""
    with torch.device("meta"):  # shapes without memory
        prompt = empty_soft_prompt(config, width=width, context_width=context_width)
    return sum(parameter.numel() for parameter in prompt.parameters())


def _text_columns(config: PromptConfig, backbone: Backbone) -> Tensor:
    """The embeddings [n, d] of the last tokens of the text to start from, n at most t."""
    # The text is the user's own setting, so markers of the model's chat template count as such.
    ids = backbone.lm.tokenizer(config.init_text, add_special_tokens=False)["input_ids"]
    if not ids:
        raise ConfigError(
            "softsrv.prompt.init_text: `init: text` needs a text to start from", code="missing_key"
        )
    return backbone.embed(torch.tensor(ids[-config.tokens :])).float().cpu()


def _draw_tokens(
    backbone: Backbone, starts: int, tokens: int, *, generator: torch.Generator
) -> Tensor:
    """Tokens [k, t] that are all different, as long as the vocabulary has so many."""
    tokenizer = backbone.lm.tokenizer
    special: Sequence[int] = tokenizer.all_special_ids
    known = min(len(tokenizer), vocabulary_size(backbone.lm))  # models have rows that no token has
    pool = torch.tensor(sorted(set(range(known)) - set(special)) or list(range(known)))
    rounds = -(-starts * tokens // len(pool))
    drawn = [pool[torch.randperm(len(pool), generator=generator)] for _ in range(rounds)]
    return torch.cat(drawn)[: starts * tokens].view(starts, tokens)
