"""The dry run: sizes from a configuration alone, and figures that real models agree with."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import Gemma2Config

from metasynth.config.softsrv import BackboneConfig, EncoderConfig, SoftSRVConfig
from metasynth.errors import RequestError
from metasynth.lm.sizes import ModelSizes, model_sizes, read_model_sizes
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.estimate import context_width_of, estimate_run, weight_bytes_of
from metasynth.softsrv.initialisation import make_soft_prompt
from tests.raising import raises
from tests.tiny_families import FAMILIES, tiny_family
from tests.tiny_lm import save_tiny_lm

GEMMA_2_9B: dict[str, Any] = {
    "hidden_size": 3584,
    "num_hidden_layers": 42,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "intermediate_size": 14336,
    "dtype": "bfloat16",
}
SIZES_9B = ModelSizes(
    name="9B",
    parameters=9_241_705_984,
    layer_parameters=8_324_198_400,  # without 256,000 embeddings and the last norm of 3584
    vocabulary=256_000,
    width=3584,
    layers=42,
    heads=16,
    kv_heads=8,
    head_width=256,
    mlp_width=14_336,
    norms=4,
    attends_eagerly=True,
    attends_in_windows=True,
    caps_logits=True,
)


def paper(**training: Any) -> SoftSRVConfig:
    """SS_MC of the paper: t = 128, h = 128, three layers, batch 16."""
    return SoftSRVConfig.model_validate(
        {"preset": "paper", "backbone": {"dtype": "bfloat16"}, "training": training}
    )


def test_the_sizes_of_gemma_2_9b_come_from_its_configuration() -> None:
    found = model_sizes(Gemma2Config(**GEMMA_2_9B), name="9B")
    assert found == SIZES_9B
    assert found.layer_parameters == found.parameters - (256_000 + 1) * 3584


def test_ss_mc_on_a_9b_model_fits_80_gb_by_numbers_worked_out_by_hand() -> None:
    """Batch 16 of 128 soft tokens and 64 of text: 3,072 positions, 1,024 of them targets."""
    found = estimate_run(paper(), SIZES_9B, row_tokens=64)
    # 128 MLPs of (3584+1)·128 + (128+1)·128 + (128+1)·3584 = 937,728
    assert found.trained == 128 * 937_728 == 120_029_184
    assert found.weights == 9_241_705_984 * 2 == 18_483_411_968
    # number, gradient and two averages of Adam, 4 bytes each
    assert found.optimiser == 120_029_184 * 16 == 1_920_466_944
    # A position of a layer: 4 norms of 3584 in float32 (57,344); queries, keys and values for 16
    # heads of 256 (24,576) and, over 192 positions, their capped weights twice in 2 bytes and once
    # in 4 (24,576); three times 14,336 in the MLP (86,016). 42 layers, and one in work.
    assert 57_344 + 24_576 + 16 * 192 * 8 + 86_016 == 192_512
    assert found.activations == 3072 * 192_512 * 43 == 25_430_065_152
    # the input of each layer, and two layers' worth in work
    assert found.checkpointed == 3072 * (42 * 3584 * 2 + 2 * 192_512) == 2_107_637_760
    # 2²⁶ logits at a time: in bfloat16 as computed and capped, with gradients (8), and three times
    # in float32 (12); and the gradient for each target's hidden state
    assert found.logits == 2**26 * 20 + 1024 * 3584 * 2 == 1_349_517_312
    # hidden units before and after GELU of two layers; P with gradient and as bfloat16; the input
    columns = 16 * 128
    assert found.soft_prompt == columns * 128 * 2 * 2 * 4 + columns * 3584 * 10 + 2 * 3072 * 7168
    # 47.3 GB, 8 % between blocks, 1 GB for the device
    assert found.training_bytes() == int(47_305_096_192 * 1.08) + 10**9
    assert found.fits(80)
    assert found.training_bytes(gradient_checkpointing=True) < 28 * 10**9
    assert "fits 80 GB" in found.lines(gigabytes=80)


def test_the_arithmetic_of_the_papers_training_on_9b() -> None:
    """About 4·N operations a position: 61 million positions make some 2·10¹⁸."""
    found = estimate_run(paper(), SIZES_9B, row_tokens=64)
    assert found.total_flops == found.step_flops * 20_000
    assert 1.9e18 < found.total_flops < 2.4e18


def measured_activations(backbone: Backbone, rows: int, length: int) -> int:
    """Bytes that a forward pass of the layers keeps for its backward pass, weights apart."""
    shape = (rows, length, backbone.width)
    embeddings = torch.randn(shape).to(backbone.dtype).requires_grad_()
    frozen = [*backbone.model.parameters(), *backbone.model.buffers()]
    known = {one.untyped_storage().data_ptr() for one in frozen}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        backbone.model.base_model(inputs_embeds=embeddings, use_cache=False)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_a_backward_pass_keeps_is_what_is_calculated(family: str, dtype: torch.dtype) -> None:
    lm = tiny_family(family)
    model: Any = lm.model
    model.to(dtype)
    sizes = model_sizes(model.config, name=family)
    config = SoftSRVConfig.model_validate(
        {"prompt": {"tokens": 40}, "training": {"batch_size": 6, "accumulate": 2}}
    )
    found = estimate_run(config, sizes, row_tokens=20, weight_bytes=dtype.itemsize)
    kept = found.activations / (sizes.layers + 1) * sizes.layers
    assert kept == pytest.approx(measured_activations(Backbone(lm), 3, 60), rel=0.2)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["np", "mp", "mc"])
def test_operations_are_those_that_are_counted(family: str, kind: str) -> None:
    lm = tiny_family(family)
    sizes = model_sizes(lm.model.config, name=family)
    config = SoftSRVConfig.model_validate(
        {
            "prompt": {"parameterisation": kind, "tokens": 10, "hidden": 16},
            "training": {"batch_size": 4},
        }
    )
    backbone = Backbone(lm)
    # the counter looks neither into a backward pass of our own nor into fused attention on a CPU
    backbone._output._finish = None
    backbone.model.set_attn_implementation("eager")
    prompt = make_soft_prompt(config.prompt, backbone, backbone.width, seed=0)
    z = torch.randn(4, backbone.width)
    ids = torch.randint(5, 300, (4, 30))
    counter = FlopCounterMode(display=False)
    with counter:
        costs: Any = backbone.token_losses(prompt(z), ids, torch.full((4,), 30)).sum()
        costs.backward()
    found = estimate_run(config, sizes, row_tokens=30)
    assert found.step_flops == pytest.approx(counter.get_total_flops(), rel=0.12)


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_are_those_of_the_model(family: str) -> None:
    model: Any = tiny_family(family).model
    found = model_sizes(model.config, name=family)
    assert found.parameters == model.num_parameters()
    assert (found.layers, found.width, found.heads, found.head_width) == (2, 32, 4, 8)
    assert found.norms == (4 if family.startswith("gemma") else 2)
    assert found.is_gated is (family != "gpt2")
    assert found.caps_logits is (family == "gemma2")
    assert found.has_head_norms is (family in ("qwen3", "gemma3"))


def test_sizes_are_read_from_a_folder_without_weights(tmp_path: Path) -> None:
    folder = save_tiny_lm(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    assert read_model_sizes(folder).width == 64
    with raises(RequestError, "no_model"):
        read_model_sizes(tmp_path / "nothing")


def test_a_model_that_is_no_stack_of_decoder_layers_is_told() -> None:
    from transformers import MambaConfig

    config = MambaConfig(hidden_size=8, num_hidden_layers=1, vocab_size=9, state_size=2)
    with raises(RequestError, "not_a_decoder", "num_attention_heads"):
        model_sizes(config, name="mamba")


def test_gradient_checkpointing_and_accumulation_help_in_that_order() -> None:
    plain = estimate_run(paper(), SIZES_9B, row_tokens=512)
    assert not plain.fits(80)
    assert "set training.gradient_checkpointing: true" in plain.verdict(80)
    saved = estimate_run(paper(gradient_checkpointing=True), SIZES_9B, row_tokens=512)
    assert saved.fits(80)
    assert saved.step_flops > plain.step_flops
    assert "raise training.accumulate" in saved.verdict(28)
    halved = estimate_run(paper(accumulate=16), SIZES_9B, row_tokens=512)
    assert halved.activations < plain.activations / 10
    assert halved.step_flops == plain.step_flops
    assert "take a smaller backbone" in halved.verdict(10)


def test_what_is_told_has_every_figure() -> None:
    told = "\n".join(estimate_run(paper(), SIZES_9B, row_tokens=64).lines(gigabytes=24))
    for part in ("9,241,705,984", "120,029,184", "18.48 GB", "FLOPs a step", "does not fit 24 GB"):
        assert part in told


def test_the_width_of_contexts_is_told_by_the_configuration_where_it_can_be() -> None:
    assert context_width_of(EncoderConfig(), SIZES_9B) == 3584
    assert context_width_of(EncoderConfig(model="default"), SIZES_9B) == 384
    assert context_width_of(EncoderConfig(model="default", components=500), SIZES_9B) == 384
    assert context_width_of(EncoderConfig(model="lm:else", components=64), SIZES_9B) == 64
    with raises(RequestError, "unknown_width", "'lm:else'"):
        context_width_of(EncoderConfig(model="lm:else"), SIZES_9B)
    found = estimate_run(paper(), SIZES_9B, row_tokens=9, context_width=2304)
    assert found.trained == 99_057_664


def test_weights_take_what_they_are_loaded_as() -> None:
    for dtype, size in (("float32", 4), ("bfloat16", 2), ("float16", 2)):
        config = BackboneConfig.model_validate({"dtype": dtype})
        assert weight_bytes_of(config, SIZES_9B) == size
    assert weight_bytes_of(BackboneConfig(device="cpu"), SIZES_9B) == 4
    assert weight_bytes_of(BackboneConfig(device="cuda"), SIZES_9B) == 2


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 64), tokens=st.integers(1, 256), text=st.integers(1, 1024))
def test_more_takes_more(rows: int, tokens: int, text: int) -> None:
    def needed(batch: int, soft: int, row: int) -> int:
        config = SoftSRVConfig.model_validate(
            {"training": {"batch_size": batch}, "prompt": {"tokens": soft}}
        )
        return estimate_run(config, SIZES_9B, row_tokens=row, weight_bytes=2).training_bytes()

    size = needed(rows, tokens, text)
    assert size < needed(rows + 1, tokens, text)
    assert size < needed(rows, tokens + 1, text)
    assert size < needed(rows, tokens, text + 1)
