"""Students small enough to compute by hand: a Llama that is nothing but a table of bigrams.

Attention and MLP add nothing, the embeddings are one-hot and the norm only scales, so the logits
after a token are that token's row of the table; everything else is the real thing, caches included.
"""

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from metasynth.lm.load import LoadedLM, wrap_lm

END = "<end>"
WORDS = (END, "<start>", "a", "b", "c", "d")


def toy_tokenizer(
    words: Sequence[str] = WORDS, *, bos: str | None = None, template: str | None = None
) -> PreTrainedTokenizerFast:
    """Words parted by blanks, one token each."""
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=END))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=END, bos_token=bos, model_max_length=64
    )
    fast.chat_template = template
    return fast  # type: ignore[no-any-return]


def bigram_lm(
    table: torch.Tensor,
    *,
    words: Sequence[str] = WORDS,
    bos: str | None = None,
    template: str | None = None,
    context_length: int = 32,
) -> LoadedLM:
    """A model whose logits after token i are `table[i]`, [words, words]."""
    size = len(words)
    assert table.shape == (size, size)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=size,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=2,
        rms_norm_eps=1e-12,
        max_position_embeddings=context_length,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=words.index(END),
        pad_token_id=None,
    )
    model: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        for part in model.modules():
            if isinstance(part, type(model.model.norm)):
                part.weight.fill_(1.0)
        model.lm_head.weight.copy_(table.T / size**0.5)  # the norm multiplies by that root
    return wrap_lm(model, toy_tokenizer(words, bos=bos, template=template), name="bigrams")
