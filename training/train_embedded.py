"""Train the embedded model from nothing, or go on from a checkpoint; deterministic and resumable.

    python -m training.train_embedded --tokenizer training/work/tokenizer \
        --work training/work/run --stage story --steps 2000 --export agents/models/embedded

The same command goes on after an interruption. A finished run is continued with another mixture
by `--init CHECKPOINT`: weights and optimisers are taken over, the schedule starts anew.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from .recorded import load_traces
from .tasks import Stream
from .tokenizer import encode

PROMPT_WEIGHT = 0.05
PROMPT_SHARE = 0.15  # of the examples whose prompt is learnt, too, with that weight
TEMPERATURE_SCALE = 1 / 3  # of a chat with the exported model, see `export`
POOL = 512  # examples that are sorted by length together
MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Size:
    """Shape of the model."""

    width: int = 192
    layers: int = 6
    heads: int = 6
    inner: int = 512


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: what is read, for how long, and how fast the weights move."""

    stage: str = "story"
    steps: int = 2000
    batch_tokens: int = 3072
    seed: int = 1
    matrix_lr: float = 0.005
    matrix_decay: float = 0.1  # keeps attention from hardening before it has learnt to copy
    other_lr: float = 3e-3
    warmup: int = 50
    decay: float = 0.3  # share of the steps at the end over which the rate falls to zero
    traces: str = ""  # JSONL of recorded conductor conversations
    trace_share: float = 0.0


def new_model(tokenizer: PreTrainedTokenizerFast, size: Size, *, seed: int) -> LlamaForCausalLM:
    """A Llama model with random weights."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=(len(tokenizer) + 63) // 64 * 64,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def size_of(weights: Mapping[str, torch.Tensor]) -> Size:
    """Shape of the model that a checkpoint's weights belong to, heads of 32 wide."""
    inner, width = weights["model.layers.0.mlp.up_proj.weight"].shape
    layers = {name.split(".")[2] for name in weights if name.startswith("model.layers.")}
    return Size(width, len(layers), width // 32, inner)


Batch = list[tuple[list[int], list[bool]]]


def batches(tokenizer: PreTrainedTokenizerFast, plan: Plan, *, skip: int = 0) -> Iterator[Batch]:
    """Batches of examples of like length, the same ones for the same plan; `skip` leaves out."""
    stream = Stream(stage=plan.stage, seed=plan.seed)
    traces = load_traces(plan.traces) if plan.traces else []
    number, seen = 0, 0
    while True:
        rng = random.Random(f"pool:{plan.seed}:{number}")
        pool = []
        for index in range(number, number + POOL):
            use_trace = bool(traces) and rng.random() < plan.trace_share
            messages = rng.choice(traces) if use_trace else stream.example(index)
            pool.append(encode(tokenizer, messages))
        number += POOL
        pool = sorted((e for e in pool if len(e[0]) <= MAX_LENGTH), key=lambda e: len(e[0]))
        ready: list[Batch] = [[]]
        for example in pool:
            if (len(ready[-1]) + 1) * len(example[0]) > plan.batch_tokens:
                ready.append([])
            ready[-1].append(example)
        rng.shuffle(ready)
        for batch in ready:
            seen += 1
            if seen > skip:
                yield batch


def tensors(batch: Batch, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids [B, T] and the weight of every id as a target [B, T]."""
    length = max(len(ids) for ids, _ in batch)
    ids = torch.full((len(batch), length), pad)
    weights = torch.zeros((len(batch), length))
    for row, (tokens, learn) in enumerate(batch):
        low = PROMPT_WEIGHT if row < PROMPT_SHARE * len(batch) else 0.0
        ids[row, : len(tokens)] = torch.tensor(tokens)
        weights[row, : len(tokens)] = torch.tensor([1.0 if one else low for one in learn])
    return ids, weights


def loss_of(model: LlamaForCausalLM, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean of the negative log-likelihood, in nats a token."""
    # padding stands on the right, so that causal attention needs no mask; the head, a quarter of
    # the work, is applied only where something is to be learnt
    chosen = weights[:, 1:] > 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(input_ids=ids[:, :-1]).last_hidden_state
        logits = model.lm_head(hidden[chosen])
    weight = weights[:, 1:][chosen]
    each = torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][chosen], reduction="none")
    return (each * weight).sum() / weight.sum()


def optimisers(model: LlamaForCausalLM, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for all else."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=plan.matrix_lr, weight_decay=plan.matrix_decay),
        torch.optim.AdamW(rest, lr=plan.other_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(step: int, plan: Plan) -> float:
    """Share of the full rate at a step: warm-up, plateau, linear decay to zero."""
    decay_from = plan.steps * (1 - plan.decay)
    up = min(1.0, (step + 1) / max(plan.warmup, 1))
    down = 1.0 if step < decay_from else (plan.steps - step) / (plan.steps - decay_from)
    return min(up, down)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a kill leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    torch.save(state, fresh)
    fresh.replace(path)


def export(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    out: Path,
    *,
    scale: float = TEMPERATURE_SCALE,
) -> None:
    """Write weights (fp16 safetensors), configuration, tokenizer and chat template.

    Args:
        model: what was trained.
        tokenizer: its tokenizer, with the chat template.
        out: the folder.
        scale: what a chat's temperatures are multiplied by: roles ask for those of large models,
            and this one needs less. The weights stay as they were learnt.
    """
    half = LlamaForCausalLM(model.config)
    half.half()  # type: ignore[no-untyped-call]
    half.load_state_dict({k: v.to(torch.float16) for k, v in model.state_dict().items()})
    half.config.chat_temperature_scale = scale
    half.config.text_prefix = " "  # the chat template puts a blank behind <|ai|>
    half.generation_config.do_sample = True
    half.generation_config.temperature = 1.0
    half.save_pretrained(out)
    tokenizer.save_pretrained(out)


def train(
    tokenizer: PreTrainedTokenizerFast,
    plan: Plan,
    work: Path,
    *,
    size: Size | None = None,
    init: Path | None = None,
    save_every: int = 300,
    stop_after: int | None = None,
) -> LlamaForCausalLM:
    """Train to the end of the plan, from the newest checkpoint in `work` where there is one.

    Args:
        tokenizer: tokenizer of the model.
        plan: what to do.
        work: folder of the checkpoint and the log.
        size: shape of a new model.
        init: checkpoint of another run to start from.
        save_every: steps between checkpoints.
        stop_after: stop early at this step (as if killed after its checkpoint).
    """
    model = new_model(tokenizer, size or Size(), seed=plan.seed)
    optims = optimisers(model, plan)
    path = work / "checkpoint.pt"
    step, tokens = 0, 0
    source = path if path.exists() else init
    if source is not None:
        state = torch.load(source, weights_only=True)
        model.load_state_dict(state["model"])
        for optim, kept in zip(optims, state["optims"], strict=True):
            optim.load_state_dict(kept)
        if source == path:
            step, tokens = state["step"], state["tokens"]
    model.train()
    started, heard = time.monotonic(), 0
    last = min(plan.steps, stop_after or plan.steps)
    feed = batches(tokenizer, plan, skip=step)
    mean = 0.0
    while step < last:
        ids, weights = tensors(next(feed), int(tokenizer.pad_token_id))
        for optim, full in zip(optims, (plan.matrix_lr, plan.other_lr), strict=True):
            for group in optim.param_groups:
                group["lr"] = full * rate(step, plan)
        loss = loss_of(model, ids, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optim in optims:
            optim.step()
            optim.zero_grad(set_to_none=True)
        step += 1
        tokens += ids.numel()
        heard += ids.numel()
        mean = loss.item() if not mean else 0.95 * mean + 0.05 * loss.item()
        if step % 20 == 0:
            speed = heard / (time.monotonic() - started)
            line = {"step": step, "loss": round(mean, 4), "tokens": tokens, "speed": round(speed)}
            print(json.dumps(line), flush=True)
        if step % save_every == 0 or step == last:
            kept_state = {"model": model.state_dict(), "step": step, "tokens": tokens}
            save(path, {**kept_state, "optims": [optim.state_dict() for optim in optims]})
    return model


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--export", type=Path)
    parser.add_argument("--temperature-scale", type=float, default=TEMPERATURE_SCALE)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--save-every", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    for name, value in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, value in asdict(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.tokenizer)
    plan = Plan(**{name: getattr(args, name) for name in Plan.__dataclass_fields__})
    size = Size(args.width, args.layers, args.heads, args.inner)
    model = train(tokenizer, plan, args.work, size=size, init=args.init, save_every=args.save_every)
    if args.export:
        export(model, tokenizer, args.export, scale=args.temperature_scale)
        print(f"exported to {args.export}")


if __name__ == "__main__":
    main()
