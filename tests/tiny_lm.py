"""A causal language model made on the spot: random weights, bytes as its alphabet.

It leans towards quotation marks and its end token, so that answers stay short.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

END = "<|end|>"
ROLES = ["<|pad|>", END, "<|sys|>", "<|user|>", "<|ai|>", "<|tool|>", "<|doc|>"]
CALLS = ["<tool_call>", "</tool_call>"]

TEMPLATE = """
{%- for m in messages -%}
{%- if m.role == 'system' -%}<|sys|>{{ m.content.split('\\n')[0] }}
{%- elif m.role == 'user' -%}<|user|>{{ m.instruction if m.instruction is defined else m.content }}
{%- for a in m.attachments or [] -%}<|doc|>{{ a.kind }}: {{ a.text }}{%- endfor -%}
{%- elif m.role == 'assistant' -%}<|ai|>{{ m.content }}
{%- for c in m.tool_calls or [] -%}
<tool_call>{{ {'name': c.function.name, 'arguments': c.function.arguments} | tojson }}</tool_call>
{%- endfor -%}<|end|>
{%- elif m.role == 'tool' -%}<|tool|>{{ m.content.split('\\n')[0] }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|ai|>{%- endif -%}
"""


def tiny_tokenizer(
    *, template: str | None = TEMPLATE, calls_are_special: bool = True
) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of about 300 tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[*ROLES, *(CALLS if calls_are_special else ())],
    )
    tokenizer.train_from_iterator(['{"name": "consult", "arguments": {"expert": "x"}}'], trainer)
    fast: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=END, pad_token=ROLES[0], model_max_length=4096
    )
    fast.chat_template = template
    return fast  # type: ignore[no-any-return]


def tiny_llama(tokenizer: PreTrainedTokenizerFast, *, seed: int = 0, **config: Any) -> Any:
    """A Llama of two layers with random weights."""
    torch.manual_seed(seed)
    options: dict[str, Any] = {
        "vocab_size": 320,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.1,
        "eos_token_id": tokenizer.eos_token_id,
    }
    model: Any = LlamaForCausalLM(LlamaConfig(**{**options, **config}))
    quotes = [number for text, number in tokenizer.get_vocab().items() if text in ('"', '"}', '",')]
    with torch.no_grad():  # a coordinate that is the same for every token serves as a bias
        model.get_input_embeddings().weight[:, 0] = 1.0
        head = model.get_output_embeddings().weight
        head[:, 0] = 0.0
        head[[*quotes, tokenizer.eos_token_id], 0] = 0.8
    return model.eval()


def save_tiny_lm(folder: Path, **config: Any) -> Path:
    """A folder with model and tokenizer, as `save_pretrained` leaves it."""
    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer, **config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tiny_reward(folder: Path) -> Path:
    """A folder with a reward model of random weights."""
    tokenizer = tiny_tokenizer()
    config = tiny_llama(tokenizer, hidden_size=32, intermediate_size=48).config.to_dict()
    options = {**config, "num_labels": 1, "pad_token_id": tokenizer.pad_token_id}
    model: Any = LlamaForSequenceClassification(LlamaConfig(**options))  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
