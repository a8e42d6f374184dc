"""Causal language models of several families, made on the spot with random weights."""

from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from metasynth.lm.load import LoadedLM, wrap_lm
from tests.tiny_lm import tiny_tokenizer

VOCABULARY = 320
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.1,
}
_GEMMA: dict[str, Any] = {"sliding_window": 16, "query_pre_attn_scalar": 8, "pad_token_id": 0}


def _gpt2() -> Any:
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=256,
        initializer_range=0.1,
        bos_token_id=1,
        eos_token_id=1,
    )
    return GPT2LMHeadModel(config)


_MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**_SIZES)),
    # caps low enough to bend the logits of random weights
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(**_SIZES, **_GEMMA, final_logit_softcapping=2.0)
    ),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**_SIZES, **_GEMMA)),
    "gpt2": _gpt2,
}
FAMILIES = tuple(_MODELS)


def tiny_family(name: str, *, seed: int = 0, bos: bool = False) -> LoadedLM:
    """A model of the family with a byte-level tokenizer, which may have a BOS token."""
    torch.manual_seed(seed)
    model: Any = _MODELS[name]().eval()
    tokenizer: Any = tiny_tokenizer()
    if bos:
        tokenizer.bos_token = "<|doc|>"
    return wrap_lm(model, tokenizer, name=f"tiny {name}")
