"""The student of the study: a Llama of half a million parameters, made and trained on the spot.

Its training is a plain loop: at this size what a full trainer does besides the arithmetic would
take longer than the arithmetic.
"""

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from metasynth.domains.skills import LETTERS, SKILLS
from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.lm.logprobs import Places, Statistics, log_probabilities, places_of
from metasynth.student.rendering import Renderer
from metasynth.student.rows import StudentRow

END, UNKNOWN = "<end>", "<unknown>"
BATCH = 16
WARMUP = 0.1


def character_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each word of lower case, and one for every other character."""
    words = [UNKNOWN, END, *SKILLS, "none", " ", "\n"]
    vocabulary = [*words, *"0123456789", *LETTERS]
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(vocabulary)}, unk_token=UNKNOWN)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[a-z]+|[^a-z]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, unk_token=UNKNOWN, eos_token=END, pad_token=END
    )
    return fast  # type: ignore[no-any-return]


def new_student(*, seed: int, width: int = 128, layers: int = 3) -> LoadedLM:
    """A student that has learnt nothing."""
    torch.manual_seed(seed)
    tokenizer = character_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
    )
    model: Any = LlamaForCausalLM(config)
    return wrap_lm(model, tokenizer, name=f"{model.num_parameters():,} parameters")


def train(
    student: LoadedLM, rows: Sequence[StudentRow], *, steps: int, rate: float, seed: int
) -> float:
    """So many steps of AdamW on answers, the rows shuffled again and again; the last steps' loss.

    The rate grows over the first tenth of the steps and then falls to nothing in a straight line.
    """
    model: Any = student.model
    renderer = Renderer(student)
    encoded = [renderer.encode(row) for row in rows]
    draw, order = random.Random(seed), list[Encoded]()
    model.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, steps))
    losses = []
    for _ in range(steps):
        while len(order) < BATCH:
            order += draw.sample(encoded, len(encoded))
        batch, order = order[:BATCH], order[BATCH:]
        places = places_of(student, batch)
        loss = torch.nn.functional.cross_entropy(places.logits, places.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    model.eval().requires_grad_(False)
    tail = losses[-max(1, steps // 10) :]
    return sum(tail) / len(tail)


def _share(step: int, steps: int) -> float:
    """The share of the learning rate at a step."""
    warmup = max(1, round(WARMUP * steps))
    return (step + 1) / warmup if step < warmup else (steps - step) / (steps - warmup)


def right(student: LoadedLM, rows: Sequence[StudentRow]) -> list[bool]:
    """Whether the student's greedy answer to each row is the row's, from one forward pass.

    It is, exactly where every token of the answer and its end is the likeliest behind those before.
    """
    renderer = Renderer(student)
    found = log_probabilities(student, [renderer.encode(row) for row in rows], reduce=_hits)
    return [bool(one["hit"].all()) for one in found]


def _hits(places: Places) -> Statistics:
    return {"hit": places.logits.argmax(-1) == places.targets}


def save_weights(student: LoadedLM, path: Path, *, cpu_seconds: float) -> None:
    """Keep the weights, and what their training took, in a file, whole or not at all."""
    half = path.with_suffix(f".half-{os.getpid()}")
    state = {name: value.clone() for name, value in _state(student).items()}
    save_file(state, half, metadata={"cpu_seconds": f"{cpu_seconds:.2f}"})
    half.replace(path)


def load_weights(student: LoadedLM, path: Path) -> float:
    """Give the student the weights of a file; what their training took."""
    with safe_open(path, "pt") as file:
        for name, value in _state(student).items():
            value.copy_(file.get_tensor(name))
        return float(file.metadata()["cpu_seconds"])


def _state(student: LoadedLM) -> dict[str, torch.Tensor]:
    model: Any = student.model
    return {name: value.detach() for name, value in model.named_parameters()}
