"""Sampling from soft prompts: numbered, in order, resumable, shared where contexts are the same."""

import gc
import math
import threading
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from metasynth.config.softsrv import EncoderConfig, PromptConfig, SamplingConfig
from metasynth.errors import ModelCallError, RequestError
from metasynth.lm.load import wrap_lm
from metasynth.softsrv.artifact import SteeringArtifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.sampling.samples import Sample
from metasynth.softsrv.sampling.soft_sampler import SamplingSummary, SoftSampler, unconditional
from metasynth.softsrv.target import TargetRow
from tests.raising import raises
from tests.tiny_lm import END, tiny_llama, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TEXTS = [f"{name} has {number} apples." for number, name in enumerate(["Ann", "Bo", "Cy", "Di"])]


pytestmark = pytest.mark.usefixtures("one_thread")


class Counting(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """A Llama that notes how many soft prompts each forward pass reads."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.passes: list[int] = []

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if (vectors := kwargs.get("inputs_embeds")) is not None:
            self.passes.append(len(vectors))
        return super().forward(*args, **kwargs)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    model = tiny_llama(TOKENIZER)
    counting = Counting(model.config)
    counting.load_state_dict(model.state_dict())
    return Backbone(wrap_lm(counting, TOKENIZER, name="tiny"))


def steering(backbone: Backbone, kind: Any = "mc", *, noise: float = 0.0) -> SteeringArtifact:
    """A soft prompt at its start, strengthened so that contexts differ in what they say."""
    encoder = ContextEncoder.fit(
        EncoderConfig(noise=noise, components=3), TEXTS, backbone=backbone, cache=None, seed=0
    )
    config = PromptConfig(parameterisation=kind, tokens=4, hidden=8)
    prompt = make_soft_prompt(config, backbone, encoder.width, seed=1)
    with torch.no_grad():
        for parameter in prompt.parameters():
            parameter.mul_(4)
    rows = [TargetRow(f"target-{number}", text) for number, text in enumerate(TEXTS)]
    return SteeringArtifact(prompt, encoder, encoder.encode(TEXTS), rows, {}, {})


CONFIG = SamplingConfig(max_new_tokens=24, max_batch=3)


def drawn(
    backbone: Backbone,
    artifact: SteeringArtifact,
    count: int,
    *,
    config: SamplingConfig = CONFIG,
    seed: int = 7,
    **options: Any,
) -> list[Sample]:
    with SoftSampler(backbone, artifact, config, seed=seed) as sampler:
        return list(sampler.sample(count, **options))


def test_samples_are_numbered_and_cycle_over_the_contexts(backbone: Backbone) -> None:
    artifact = steering(backbone)
    samples = drawn(backbone, artifact, 10)
    assert [sample.number for sample in samples] == list(range(10))
    first = [sample.context_id for sample in samples[:4]]
    assert sorted(first) == [row.id for row in artifact.rows]
    assert [sample.context_id for sample in samples] == [*first, *first, *first[:2]]
    assert len({sample.seed for sample in samples}) == 10
    orders = {
        tuple(one.context_id for one in drawn(backbone, artifact, 4, seed=s)) for s in range(6)
    }
    assert len(orders) > 1


def test_a_sample_depends_on_seed_and_number_alone(backbone: Backbone) -> None:
    artifact = steering(backbone)
    samples = drawn(backbone, artifact, 12)
    assert drawn(backbone, artifact, 12) == samples
    assert drawn(backbone, artifact, 5, start=7) == samples[7:]
    alone = SamplingConfig(max_new_tokens=24, max_batch=1)
    assert drawn(backbone, artifact, 12, config=alone) == samples
    assert drawn(backbone, artifact, 12, seed=8) != samples


def test_chosen_contexts_are_taken_in_their_order(backbone: Backbone) -> None:
    samples = drawn(backbone, steering(backbone), 5, contexts=[2, 0])
    assert [sample.context_id for sample in samples] == [
        f"target-{number}" for number in (2, 0, 2, 0, 2)
    ]


def test_a_sample_is_what_transformers_continues_the_soft_prompt_with(backbone: Backbone) -> None:
    artifact = steering(backbone)
    config = SamplingConfig(max_new_tokens=12, max_batch=4, top_k=1)  # the likeliest token
    with torch.no_grad():
        prompts = artifact.prompt(artifact.contexts)
    tokens = backbone.model.generate(
        inputs_embeds=prompts,
        attention_mask=torch.ones(prompts.shape[:2], dtype=torch.long),
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=backbone.end_id,
        pad_token_id=0,
    )
    expected = TOKENIZER.batch_decode(tokens, skip_special_tokens=True)
    samples = drawn(backbone, artifact, 4, config=config, contexts=range(4))
    assert [sample.text for sample in samples] == expected
    assert len(set(expected)) > 1  # the contexts make a difference


def test_stopped_and_cut_samples_are_told_apart(backbone: Backbone) -> None:
    samples = drawn(backbone, steering(backbone), 60)
    assert {sample.stopped for sample in samples} == {True, False}
    assert all(sample.tokens == 24 for sample in samples if not sample.stopped)
    assert all(1 <= sample.tokens <= 24 for sample in samples)
    assert not any(END in sample.text for sample in samples)
    summary = SamplingSummary.of(samples)
    cut = sum(not sample.stopped for sample in samples)
    assert (summary.samples, summary.stopped) == (60, 60 - cut)
    assert summary.truncation_rate == pytest.approx(cut / 60)
    assert summary.tokens == sum(sample.tokens for sample in samples)


@pytest.mark.parametrize(("stopped", "flagged"), [(95, False), (94, True)])
def test_fewer_than_95_stops_of_a_hundred_are_flagged(stopped: int, flagged: bool) -> None:
    assert SamplingSummary(samples=100, stopped=stopped, tokens=900).is_flagged is flagged
    assert not SamplingSummary.of([]).is_flagged


def test_without_contexts_the_prompt_is_read_once(backbone: Backbone) -> None:
    artifact = steering(backbone, "np", noise=0.5)
    passes = _passes(backbone, lambda: drawn(backbone, artifact, 20))
    assert passes == [1]


def test_samples_of_one_context_share_its_prompt(backbone: Backbone) -> None:
    passes = _passes(backbone, lambda: drawn(backbone, steering(backbone, "mp"), 40))
    assert sum(passes) == len(TEXTS)
    assert passes[0] == 3  # as many as run together
    twins = steering(backbone)
    twins.contexts = twins.contexts[[0, 0, 1, 1]]
    assert sum(_passes(backbone, lambda: drawn(backbone, twins, 9))) == 2


def _passes(backbone: Backbone, work: Any) -> list[int]:
    """How many soft prompts each forward pass read."""
    backbone.model.passes.clear()
    work()
    return list(backbone.model.passes)


def test_noise_is_each_samples_own_and_repeats(backbone: Backbone) -> None:
    artifact = steering(backbone, noise=1.0)
    passes = _passes(backbone, lambda: drawn(backbone, artifact, 8, contexts=[1]))
    assert sum(passes) == 8  # each has its own z
    greedy = SamplingConfig(max_new_tokens=12, max_batch=3, top_k=1)
    samples = drawn(backbone, artifact, 8, contexts=[1], config=greedy)
    assert len({sample.text for sample in samples}) > 1
    assert drawn(backbone, artifact, 3, start=5, contexts=[1], config=greedy) == samples[5:]


def test_nearest_contexts_come_first(backbone: Backbone) -> None:
    artifact = steering(backbone)
    with SoftSampler(backbone, artifact, CONFIG, seed=0) as sampler:
        for number, text in enumerate(TEXTS):
            assert sampler.near(text, 1) == [number]
        assert sorted(sampler.near("apples", 9)) == list(range(len(TEXTS)))
        sample = next(sampler.sample(1, contexts=sampler.near(TEXTS[2], 2)))
        assert sample.context_id == "target-2"


def test_who_stops_early_stops_the_drawing(backbone: Backbone) -> None:
    with SoftSampler(backbone, steering(backbone), CONFIG, seed=0) as sampler:
        for sample in sampler.sample(100_000):
            if sample.number == 5:
                break
        gc.collect()
        engine = sampler._engine
        again = list(sampler.sample(2))
        assert [sample.number for sample in again] == [0, 1]
        assert not engine._waiting
    assert not engine._thread.is_alive()
    with raises(ModelCallError, "closed_model"):
        next(sampler.sample(1))


def test_a_sampler_that_is_forgotten_leaves_no_thread(backbone: Backbone) -> None:
    sampler = SoftSampler(backbone, steering(backbone), CONFIG, seed=0)
    thread = sampler._engine._thread
    next(sampler.sample(3))
    del sampler
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


def test_unconditional_samples_begin_where_a_text_begins(backbone: Backbone) -> None:
    with raises(RequestError, "no_bos"):
        unconditional(backbone, 3, CONFIG, seed=0)
    passes = _passes(
        backbone, lambda: list(unconditional(backbone, 9, CONFIG, seed=0, start_ids=[1]))
    )
    assert passes == [1]
    samples = list(unconditional(backbone, 9, CONFIG, seed=0, start_ids=[1]))
    assert [(one.number, one.context_id) for one in samples] == [(n, "") for n in range(9)]
    assert list(unconditional(backbone, 4, CONFIG, seed=0, start=5, start_ids=[1])) == samples[5:]
    alone = Backbone(wrap_lm(tiny_llama(TOKENIZER), TOKENIZER, name="alone"))
    early = unconditional(alone, 900, CONFIG, seed=0, start_ids=[1])
    next(early)
    early.close()
    assert not [one for one in threading.enumerate() if one.name == "lm alone"]


def test_what_cannot_be_sampled_is_refused(backbone: Backbone) -> None:
    artifact = steering(backbone)
    long = SamplingConfig(max_new_tokens=4093)
    with raises(RequestError, "context_limit", "4 tokens", "4093", "4096"):
        SoftSampler(backbone, artifact, long, seed=0)
    with SoftSampler(backbone, artifact, CONFIG, seed=0) as sampler:
        for contexts in ([], [4], [-1]):
            with pytest.raises(ValueError, match="indices from 0 to 3"):
                sampler.sample(1, contexts=contexts)
        with pytest.raises(ValueError, match="from 0 up"):
            sampler.sample(-1)
        assert not list(sampler.sample(0))
    with torch.no_grad():
        next(artifact.prompt.parameters()).view(-1)[0] = math.nan
    with raises(RequestError, "not_finite"):
        SoftSampler(backbone, artifact, CONFIG, seed=0)
    narrow = steering(Backbone(wrap_lm(tiny_llama(TOKENIZER, hidden_size=32), TOKENIZER, name="n")))
    with raises(RequestError, "other_width", "width 32"):
        SoftSampler(backbone, narrow, CONFIG, seed=0)
