"""Tokens a second of the generation engine, beside transformers' own `generate`, in one process.

A Llama of six million parameters with random weights writes 100 tokens for each of 1, 8 and 32
prompts of 60 to 120 tokens. `stream` is what the engine is for: 64 requests with answers of 20 to
180 tokens, where a batch of `generate` waits for its longest row. From the root of the repository:
`python -m benchmarks.generation`.
"""

import argparse
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from metasynth.agents.models.local.grammar import CallMarkers, GrammarCompiler, tools_grammar
from metasynth.lm.engine.loop import BatchEngine
from metasynth.lm.engine.requests import GenerationRequest, GenerationSettings
from metasynth.lm.load import LoadedLM, wrap_lm
from tests.tiny_lm import tiny_tokenizer

TOKENS = 100
VOCABULARY = 4096
TOOL = {
    "type": "function",
    "function": {
        "name": "write",
        "parameters": {
            "type": "object",
            "properties": {"text": {"type": "string", "minLength": 400, "maxLength": 400}},
            "required": ["text"],
        },
    },
}


def six_million() -> LoadedLM:
    """A Llama as large as the embedded one, with random weights and no end token."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=True,
        max_position_embeddings=1024,
        initializer_range=0.05,
        eos_token_id=None,
        bos_token_id=None,
    )
    model: Any = LlamaForCausalLM(config)
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    return wrap_lm(model, tokenizer, name="six million")


def prompts(count: int) -> list[list[int]]:
    """Prompts of 60 to 120 tokens."""
    draw = random.Random(1)
    return [
        [draw.randrange(10, VOCABULARY) for _ in range(draw.randint(60, 120))] for _ in range(count)
    ]


def run_engine(
    engine: BatchEngine, lengths: list[int], compiler: GrammarCompiler | None = None
) -> int:
    """Answer a prompt for each length, bound to a tool call if told; the tokens drawn."""
    markers = CallMarkers.of(engine.lm.tokenizer)
    grammar = tools_grammar([TOOL], tool_choice="any", markers=markers)
    requests = [
        GenerationRequest(
            prompt,
            GenerationSettings(max_new_tokens=length, seed=number),
            compiler.constraint(grammar) if compiler and grammar else None,
        )
        for number, (prompt, length) in enumerate(zip(prompts(len(lengths)), lengths, strict=True))
    ]
    futures = [engine.submit(one) for one in requests]
    return sum(future.result().completion_tokens for future in futures)


def run_transformers(lm: LoadedLM, rows: int, lengths: list[int]) -> int:
    """The same with `generate`, a batch after the other."""
    asked = prompts(len(lengths))
    model: Any = lm.model
    for first in range(0, len(asked), rows):
        batch = asked[first : first + rows]
        width = max(map(len, batch))
        ids = torch.tensor([[0] * (width - len(one)) + one for one in batch])
        mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in batch])
        longest = max(lengths[first : first + rows])
        with torch.inference_mode():
            model.generate(
                ids, attention_mask=mask, do_sample=True, max_new_tokens=longest, pad_token_id=0
            )
    return sum(lengths)


def tokens_per_second(work: Callable[[], int], repeats: int) -> float:
    """The best of some repeats."""
    best = 0.0
    for _ in range(repeats):
        begin = time.perf_counter()
        best = max(best, work() / (time.perf_counter() - begin))
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lm = six_million()
    draw = random.Random(2)
    cases = {str(rows): (rows, [TOKENS] * rows) for rows in (1, 8, 32)}
    cases["stream"] = (32, [draw.randint(20, 180) for _ in range(64)])
    print(f"{lm.model.num_parameters() / 1e6:.1f}M parameters, {options.threads} threads, tokens/s")
    print(f"{'rows':>8} {'generate':>10} {'engine':>10} {'grammar':>10} {'gain':>6}")
    compiler = GrammarCompiler(lm)
    for name, (rows, lengths) in cases.items():
        engine = BatchEngine(lm, max_batch=rows)
        works = (
            partial(run_transformers, lm, rows, lengths),
            partial(run_engine, engine, lengths),
            partial(run_engine, engine, lengths, compiler),
        )
        theirs, ours, bound = (tokens_per_second(work, options.repeats) for work in works)
        engine.close()
        print(f"{name:>8} {theirs:>10.0f} {ours:>10.0f} {bound:>10.0f} {ours / theirs:>6.1f}")


if __name__ == "__main__":
    main()
