"""Samples a second from soft prompts, beside a plain loop over transformers' `generate`.

Both sides have the embedded model, the same prefixes, temperature 1 without any cut, the same end
token and room, and both return texts. The baseline is what one would write without this package:
`generate(inputs_embeds=…)` over batches of the same size, each of which runs until its longest row
has ended. The prefixes are embedded beginnings of story problems, so that samples end by themselves
at very different lengths, as they do in a real run. Two cases: 64 contexts in turn (a mixture whose
gates choose one matrix each, so that P_θ(z) is known), and one prefix for all (SS_NP).

`engine, no lean step` is the sampler with the model's own forward pass in place of the written-out
one for small Llamas: what is left there comes from the full batch and the shared prefixes alone,
and is what to expect of other models. From the root of the repository:
`python -m benchmarks.softsrv_sampling`.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from metasynth.config.softsrv import EncoderConfig, PromptConfig, SamplingConfig
from metasynth.config.weights import WeightsConfig
from metasynth.domains.story.domain import StoryDomain
from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.lm.weights import load_weights
from metasynth.softsrv.artifact import SteeringArtifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.initialisation import empty_soft_prompt
from metasynth.softsrv.sampling.soft_sampler import SoftSampler
from metasynth.softsrv.target import TargetRow

CONTEXTS = 64
SOFT_TOKENS = 32
GATE = 200.0  # so large that the softmax of the mixture is exactly one-hot


@dataclass(frozen=True)
class Run:
    """What one side did."""

    lengths: list[int]
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Samples a second."""
        return len(self.lengths) / self.seconds


class ThroughTransformers(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """The same model under a name for which the lean step is not used."""


def beginnings(backbone: Backbone) -> Tensor:
    """Embedded beginnings of story problems, [contexts, soft tokens, width]."""
    rng = random.Random(0)
    tokenizer: Any = backbone.lm.tokenizer
    found: list[list[int]] = []
    while len(found) < CONTEXTS:
        story = StoryDomain().generate(rng)
        ids = tokenizer(f"<|ai|> {story.text}", add_special_tokens=False)["input_ids"]
        if len(ids) > SOFT_TOKENS:
            found.append(ids[:SOFT_TOKENS])
    return backbone.embed(torch.tensor(found))


def steering(backbone: Backbone, prefixes: Tensor) -> SteeringArtifact:
    """A soft prompt that gives `prefixes`, one for each context, or the only one for all."""
    rows = [TargetRow(id=f"target-{number}", text=str(number)) for number in range(CONTEXTS)]
    if len(prefixes) == 1:
        kind, values = "np", {"columns": prefixes[0]}
    else:
        kind = "mp"
        gate = GATE * torch.eye(CONTEXTS)
        values = {"bases": prefixes, "gate_weight": gate, "gate_bias": torch.zeros(CONTEXTS)}
    config = PromptConfig(parameterisation=kind, tokens=SOFT_TOKENS, bases=CONTEXTS)
    prompt = empty_soft_prompt(config, width=backbone.width, context_width=CONTEXTS)
    prompt.load_state_dict(values)
    texts = [row.text for row in rows]
    encoder = ContextEncoder.fit(EncoderConfig(), texts, backbone=backbone, cache=None, seed=0)
    return SteeringArtifact(prompt, encoder, torch.eye(CONTEXTS), rows, {}, {})


class Clock:
    """Wall and processor time since it was made."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def run(self, lengths: list[int]) -> Run:
        """What was done in this time."""
        processor = time.process_time() - self._processor
        return Run(lengths, time.perf_counter() - self._wall, processor)


def run_generate(backbone: Backbone, prefixes: Tensor, config: SamplingConfig) -> Run:
    """The baseline: a batch after the other."""
    clock = Clock()
    lengths: list[int] = []
    tokenizer: Any = backbone.lm.tokenizer
    for first in range(0, config.count, config.max_batch):
        numbers = range(first, min(first + config.max_batch, config.count))
        batch = prefixes[[number % len(prefixes) for number in numbers]]
        drawn = backbone.model.generate(
            inputs_embeds=batch,
            attention_mask=torch.ones(batch.shape[:2], dtype=torch.long),
            max_new_tokens=config.max_new_tokens,
            do_sample=True,
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            eos_token_id=backbone.end_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        tokenizer.batch_decode(drawn, skip_special_tokens=True)
        ended = (drawn == backbone.end_id).int()
        lengths += torch.where(ended.any(1), ended.argmax(1) + 1, drawn.shape[1]).tolist()
    return clock.run(lengths)


def run_sampler(backbone: Backbone, artifact: SteeringArtifact, config: SamplingConfig) -> Run:
    """Ours, from nothing: the engine is made and closed within the time."""
    clock = Clock()
    with SoftSampler(backbone, artifact, config, seed=0) as sampler:
        lengths = [sample.tokens for sample in sampler.sample(config.count)]
    return clock.run(lengths)


def compare(name: str, works: Mapping[str, Callable[[], Run]], repeats: int) -> None:
    """Run the sides in turn and print medians; the first side is the baseline."""
    runs: dict[str, list[Run]] = {side: [] for side in works}
    for _ in range(repeats):
        for side, work in works.items():
            runs[side].append(work())
    baseline = next(iter(runs.values()))
    for side, done in runs.items():
        lengths = [length for run in done for length in run.lengths]
        rate = statistics.median(run.rate for run in done)
        pairs = list(zip(done, baseline, strict=True))
        gain = statistics.median(run.rate / other.rate for run, other in pairs)
        cpu_gain = statistics.median(other.cpu_seconds / run.cpu_seconds for run, other in pairs)
        print(
            f"{name:<12} {side:<22} {rate:>10.1f} {statistics.fmean(lengths):>8.1f} "
            f"{min(lengths):>4}-{max(lengths):<4} {gain:>6.2f} {cpu_gain:>9.2f}"
        )


def through_transformers(lm: LoadedLM) -> LoadedLM:
    """The same weights without the lean step."""
    config: Any = lm.model.config
    model: Any = ThroughTransformers(config)
    model.load_state_dict(lm.model.state_dict())
    return wrap_lm(model, lm.tokenizer, name=lm.name)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lm = load_weights(WeightsConfig(device="cpu"))
    backbone, plain = Backbone(lm), Backbone(through_transformers(lm))
    config = SamplingConfig(count=options.samples, max_batch=options.batch, max_new_tokens=256)
    print(f"{options.samples} samples, batch of {options.batch}, {options.threads} threads")
    print("gain: over `generate(inputs_embeds=…)` batch by batch in the same run, median of pairs;")
    print(
        "processor gain: the same in processor time, which other work on the machine touches less"
    )
    heads = f"{'samples/s':>10} {'tokens':>8} {'range':>9} {'gain':>6} {'processor':>9}"
    print(f"{'prefixes':<12} {'side':<22} {heads}")
    prefixes = beginnings(backbone)
    for name, some in {f"{CONTEXTS} contexts": prefixes, "one for all": prefixes[:1]}.items():
        artifact = steering(backbone, some)
        works = {
            "generate": partial(run_generate, backbone, some, config),
            "engine": partial(run_sampler, backbone, artifact, config),
            "engine, no lean step": partial(run_sampler, plain, artifact, config),
        }
        compare(name, works, options.repeats)


if __name__ == "__main__":
    main()
