"""What a training step of a soft prompt costs beside a plain transformers loop, in one process.

The bare step is a forward and backward pass of the frozen model as one writes it with transformers
(`inputs_embeds`, `labels` with -100 on the soft tokens, an attention mask), on the same batches;
the soft prompt's own arithmetic (forward, backward, clipping, Adam) is measured alone. A step may
cost 1.1 times the sum. From the root of the repository: `python -m benchmarks.softsrv`.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.generation import VOCABULARY, six_million
from metasynth.config.softsrv import BackboneConfig, EncoderConfig, PromptConfig, TrainingConfig
from metasynth.lm.load import load_lm
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.training.batches import BatchPlan, TokenRows
from metasynth.softsrv.training.optimisation import Optimisation, Schedule, TrainingData

LIMIT = 1.1
CONTEXT_WIDTH = 64
TEXTS = [f"{name} counts {number} lamps." for name in ("Ann", "Bo") for number in range(40)]


class Steps:
    """The same steps three ways: whole, the model alone, the soft prompt alone."""

    def __init__(self, backbone: Backbone, data: TrainingData, kind: Any, options: Any) -> None:
        self.backbone = backbone
        self.rows = data.train
        self.config = TrainingConfig(batch_size=options.batch)
        self.plan = BatchPlan(data.train.lengths, size=options.batch, seed=data.seed)
        prompt = PromptConfig(parameterisation=kind, tokens=options.tokens)
        make = [make_soft_prompt(prompt, backbone, CONTEXT_WIDTH, seed=0) for _ in range(2)]
        schedule = Schedule(1e-4, steps=10**6, warmup=0, is_cosine=False)
        self.optimisation = Optimisation(make[0], data, self.config, schedule)
        self.alone = make[1]
        self.adam = torch.optim.Adam(self.alone.parameters(), lr=1e-4)
        shape = (options.batch, options.tokens, backbone.width)
        self.soft = torch.randn(shape, device=backbone.device) * backbone.embedding_std
        self.slope = torch.randn(shape, device=backbone.device) * 1e-3

    def whole(self, number: int) -> None:
        """A step of a training."""
        self.optimisation.step(number)

    def bare(self, number: int) -> None:
        """Forward and backward of the frozen model, the loop that one writes with transformers."""
        backbone, soft = self.backbone, self.soft.to(self.backbone.dtype).requires_grad_()
        ids, lengths = (one.to(backbone.device) for one in self.rows.padded(self.plan.rows(number)))
        model: Any = backbone.lm.model
        with torch.no_grad():
            embedded = model.get_input_embeddings()(ids)
        real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        ones = torch.ones(soft.shape[:2], dtype=torch.bool, device=ids.device)
        labels = torch.cat([torch.full_like(ones, -100, dtype=torch.long), ids], 1)
        mask = torch.cat([ones, real], 1)
        found = model(
            inputs_embeds=torch.cat([soft, embedded], 1),
            attention_mask=mask,
            labels=labels.masked_fill(~mask, -100),
            use_cache=False,
        )
        found.loss.backward()
        float(found.loss.detach())

    def own(self, number: int) -> None:
        """Forward, backward, clipping and Adam of the soft prompt, from a given slope."""
        self.adam.zero_grad()
        prompts: Tensor = self.alone(self.rows.z[self.plan.rows(number)])
        torch.autograd.backward(prompts, self.slope)
        norm = torch.nn.utils.clip_grad_norm_(self.alone.parameters(), 1.0)
        self.adam.step()
        float(norm)


def seconds(work: Callable[[int], None], number: int, device: torch.device) -> float:
    """How long a step takes."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    work(number)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def made(backbone: Backbone, rows: int) -> TrainingData:
    """Rows of 60 to 120 random tokens, with contexts of random numbers."""
    draw = random.Random(1)
    ids = [[draw.randrange(10, 3000) for _ in range(draw.randint(60, 120))] for _ in range(rows)]
    config = EncoderConfig(components=CONTEXT_WIDTH, projection="random")
    encoder = ContextEncoder.fit(config, TEXTS, backbone=backbone, cache=None, seed=0)
    z = torch.randn(rows, CONTEXT_WIDTH, generator=torch.Generator().manual_seed(0))
    tokens = TokenRows(ids, z.to(backbone.device))
    return TrainingData(backbone, encoder, tokens, tokens, tokens, seed=0)


def main() -> None:
    """Print the table; the exit status is 1 where a ratio is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder or hub id [six million random weights]")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.model:
        config = BackboneConfig(model=f"local:{options.model}", dtype=options.dtype)
        lm = load_lm(options.model, dtype=config.dtype)
    else:
        lm = six_million()
        lm.tokenizer.eos_token = "<|end|>"
        assert VOCABULARY > 3000
    backbone = Backbone(lm)
    data = made(backbone, rows=16 * options.batch)
    print(f"{'':4}{'step ms':>9}{'model ms':>10}{'prompt ms':>11}{'ratio':>8}")
    worst = 0.0
    for kind in ("np", "mp", "mc"):
        steps = Steps(backbone, data, kind, options)
        ways = (steps.whole, steps.bare, steps.own)
        for way in ways:  # the first of each pays for allocations
            way(0)
        times = [
            [seconds(way, number, backbone.device) for way in ways]  # turn about: noise hits all
            for number in range(options.repeats)
        ]
        whole, bare, own = (1000 * statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(row[0] / (row[1] + row[2]) for row in times)
        worst = max(worst, ratio)
        print(f"{kind:4}{whole:9.1f}{bare:10.1f}{own:11.1f}{ratio:8.3f}")
    print(
        f"a step costs at most {worst:.3f} of the model's pass and the soft prompt's own; "
        f"{LIMIT} is allowed"
    )
    raise SystemExit(worst > LIMIT)


if __name__ == "__main__":
    main()
