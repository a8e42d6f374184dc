"""The three soft prompts: how many numbers they have, what they compute, where they start."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metasynth.config.softsrv import PromptConfig
from metasynth.errors import ConfigError
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.initialisation import empty_soft_prompt, make_soft_prompt, parameter_count
from metasynth.softsrv.prompts.mc import PerTokenPrompt
from metasynth.softsrv.prompts.mp import MixturePrompt
from metasynth.softsrv.prompts.np import NonContextualPrompt
from metasynth.softsrv.soft_prompt import SoftPrompt
from tests.raising import raises
from tests.tiny_families import VOCABULARY, tiny_family

# Width d, context width d_e; then SS_NP, SS_MP2, SS_MP4, SS_MC of one MLP and of all, at t = 128
# and h = 128: Gemma-2 2B, 9B, 27B, Llama-3.1 8B, Qwen2.5 7B, Qwen3 1.7B, 0.6B, and the 135M class.
TABLE = [
    (2304, 2304, 294_912, 594_434, 1_188_868, 608_768, 77_922_304),
    (3584, 2304, 458_752, 922_114, 1_844_228, 773_888, 99_057_664),
    (4608, 2304, 589_824, 1_184_258, 2_368_516, 905_984, 115_965_952),
    (4096, 4096, 524_288, 1_056_770, 2_113_540, 1_069_312, 136_871_936),
    (3584, 3584, 458_752, 924_674, 1_849_348, 937_728, 120_029_184),
    (2048, 2048, 262_144, 528_386, 1_056_772, 542_976, 69_500_928),
    (1024, 1024, 131_072, 264_194, 528_388, 279_808, 35_815_424),
    (576, 576, 73_728, 148_610, 297_220, 164_672, 21_078_016),
]
KINDS = ("np", "mp", "mc")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone(tiny_family("gemma2", bos=True))


def config_for(kind: str, **values: Any) -> PromptConfig:
    return PromptConfig(parameterisation=kind, **values)


def numbers_in(prompt: SoftPrompt) -> int:
    return sum(parameter.numel() for parameter in prompt.parameters())


def filled(kind: str, *, seed: int = 0, **values: Any) -> Any:
    """A soft prompt of width 6 for contexts of 5, with random numbers everywhere."""
    prompt = empty_soft_prompt(config_for(kind, **values), width=6, context_width=5)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in prompt.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return prompt


def contexts(rows: int, width: int = 5, *, seed: int = 1) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("row", TABLE)
def test_parameter_counts_are_those_of_the_table(row: tuple[int, ...]) -> None:
    width, context_width, *wanted = row
    configs = [
        config_for("np", tokens=128),
        config_for("mp", tokens=128, bases=2),
        config_for("mp", tokens=128, bases=4),
        config_for("mc", tokens=1, hidden=128, layers=3),
        config_for("mc", tokens=128, hidden=128, layers=3),
    ]
    with torch.device("meta"):
        made = [
            numbers_in(empty_soft_prompt(one, width=width, context_width=context_width))
            for one in configs
        ]
    counted = [parameter_count(one, width=width, context_width=context_width) for one in configs]
    assert made == wanted
    assert counted == wanted


def test_another_hidden_layer_adds_what_the_other_reading_of_the_paper_adds() -> None:
    three, four = (
        parameter_count(config_for("mc", tokens=128, layers=layers), width=2304, context_width=2304)
        for layers in (3, 4)
    )
    assert four - three == 128 * 16_512


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    tokens=st.integers(1, 5),
    bases=st.integers(1, 4),
    hidden=st.integers(1, 7),
    layers=st.integers(1, 4),
    rows=st.integers(0, 4),
)
def test_shape_count_and_settings_agree(
    kind: str, tokens: int, bases: int, hidden: int, layers: int, rows: int
) -> None:
    config = config_for(kind, tokens=tokens, bases=bases, hidden=hidden, layers=layers)
    prompt = filled(kind, tokens=tokens, bases=bases, hidden=hidden, layers=layers)
    assert prompt(contexts(rows)).shape == (rows, tokens, 6)
    assert numbers_in(prompt) == parameter_count(config, width=6, context_width=5)
    again = empty_soft_prompt(prompt.config, width=6, context_width=5)
    shapes = {name: tensor.shape for name, tensor in prompt.state_dict().items()}
    assert {name: tensor.shape for name, tensor in again.state_dict().items()} == shapes
    assert all(parameter.dtype == torch.float32 for parameter in prompt.parameters())


def test_the_per_token_prompt_is_a_few_tensors_and_not_many_modules() -> None:
    prompt = filled("mc", tokens=4, hidden=3, layers=3)
    assert [tuple(one.shape) for one in prompt.weights] == [(4, 3, 5), (4, 3, 3), (4, 6, 3)]
    assert [tuple(one.shape) for one in prompt.biases] == [(4, 3), (4, 3), (4, 6)]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_each_column_is_an_mlp_written_out(layers: int) -> None:
    prompt = filled("mc", tokens=3, hidden=7, layers=layers)
    z = contexts(4)
    for token in range(3):
        states = z
        for number, (weight, bias) in enumerate(zip(prompt.weights, prompt.biases, strict=True)):
            states = F.linear(F.gelu(states) if number else states, weight[token], bias[token])
        torch.testing.assert_close(prompt(z)[:, token], states)


def test_a_column_depends_on_its_own_mlp_alone() -> None:
    prompt = filled("mc", tokens=4, hidden=3)
    z = contexts(2)
    before = prompt(z)
    for parameter in prompt.parameters():
        with torch.no_grad():
            parameter[2] += 0.5
    moved = (prompt(z) != before).flatten(2).any(-1)  # [B, t]
    assert moved.tolist() == [[False, False, True, False]] * 2
    prompt(z)[:, 1].sum().backward()
    for parameter in prompt.parameters():
        touched = parameter.grad.flatten(1).abs().sum(1) > 0
        assert touched.tolist() == [False, True, False, False]


@settings(max_examples=30, deadline=None)
@given(tokens=st.integers(1, 4), seed=st.integers(0, 2**20))
def test_a_mixture_of_one_is_the_one_matrix(tokens: int, seed: int) -> None:
    mixture = filled("mp", tokens=tokens, bases=1, seed=seed)
    single = filled("np", tokens=tokens)
    with torch.no_grad():
        single.columns.copy_(mixture.bases[0])
    z = contexts(3, seed=seed)
    assert torch.equal(mixture(z), single(z))


def test_a_one_hot_mixture_gives_that_base() -> None:
    prompt = filled("mp", tokens=3, bases=4)
    with torch.no_grad():
        prompt.gate_weight.zero_()
        for base in range(4):
            prompt.gate_bias.fill_(0.0)
            prompt.gate_bias[base] = 200.0
            torch.testing.assert_close(prompt(contexts(2))[0], prompt.bases[base])


@settings(max_examples=30, deadline=None)
@given(bases=st.integers(1, 5), seed=st.integers(0, 2**20))
def test_mixture_weights_sum_to_one_and_mix_the_bases(bases: int, seed: int) -> None:
    prompt = filled("mp", tokens=2, bases=bases, seed=seed)
    z = contexts(3, seed=seed)
    weights = prompt.mixture(z)
    assert weights.shape == (3, bases)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3))
    wanted = torch.einsum("bk,ktd->btd", weights, prompt.bases)
    torch.testing.assert_close(prompt(z), wanted)


def test_the_one_matrix_ignores_the_context() -> None:
    prompt = filled("np", tokens=3)
    assert torch.equal(prompt(contexts(2, seed=1)), prompt(contexts(2, seed=2)))
    assert prompt.mixture(contexts(2)) is None
    assert filled("mc", tokens=3).mixture(contexts(2)) is None


def test_each_kind_is_its_own_class() -> None:
    kinds = [type(empty_soft_prompt(config_for(k), width=2, context_width=2)) for k in KINDS]
    assert kinds == [NonContextualPrompt, MixturePrompt, PerTokenPrompt]


def nearest(backbone: Backbone, columns: Tensor) -> Tensor:
    """The tokens [n] whose embeddings lie nearest to columns [n, d]."""
    return torch.cdist(columns, backbone.embed(torch.arange(VOCABULARY)).float()).argmin(-1)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_start_near_distinct_embeddings_as_the_model_sees_them(
    backbone: Backbone, kind: str
) -> None:
    """Gemma's module scales: raw rows of its weight would be some six times too small here."""
    config = config_for(kind, tokens=9, bases=1)
    prompt = make_soft_prompt(config, backbone, 5, seed=3)
    z = contexts(6)
    with torch.no_grad():
        found = prompt(z)
    tokens = [nearest(backbone, row).tolist() for row in found]
    assert all(row == tokens[0] for row in tokens)
    assert len(set(tokens[0])) == 9
    special = set(backbone.lm.tokenizer.all_special_ids)
    assert not special & set(tokens[0][1:])
    centre = backbone.embed(torch.tensor(tokens[0])).float()
    assert float((found - centre).detach().std()) < 0.25 * backbone.embedding_std


def test_mlps_start_with_a_context_that_matters_a_little(backbone: Backbone) -> None:
    prompt = make_soft_prompt(config_for("mc", tokens=9), backbone, 5, seed=3)
    with torch.no_grad():
        found = prompt(contexts(40))
    spread = float(found.detach().std(0).mean())
    assert 0.001 * backbone.embedding_std < spread < 0.25 * backbone.embedding_std


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", ["vocabulary", "random"])
def test_the_first_column_starts_at_the_bos_embedding(
    backbone: Backbone, kind: str, init: str
) -> None:
    z = contexts(3)
    wanted = backbone.embed(torch.tensor(backbone.bos_id)).float()
    for asked in (True, False):
        config = config_for(kind, tokens=4, init=init, bos_first=asked)
        prompt = make_soft_prompt(config, backbone, 5, seed=3)
        distance = (prompt(z)[:, 0] - wanted).abs().mean().detach() / backbone.embedding_std
        assert (float(distance) < 0.2) is asked


def test_without_a_bos_every_column_is_drawn() -> None:
    plain = Backbone(tiny_family("llama"))
    assert plain.bos_id is None
    prompt = make_soft_prompt(config_for("np", tokens=6), plain, 5, seed=1)
    tokens = nearest(plain, prompt(contexts(1))[0])
    assert len(set(tokens.tolist())) == 6


@pytest.mark.parametrize("tokens", [1, 4])
def test_bases_differ_at_the_start_in_every_column(backbone: Backbone, tokens: int) -> None:
    prompt = make_soft_prompt(config_for("mp", tokens=tokens, bases=3), backbone, 5, seed=3)
    assert isinstance(prompt, MixturePrompt)
    for one in range(3):
        for other in range(one):
            assert bool((prompt.bases[one] != prompt.bases[other]).any(-1).all())
    # no token stands in two bases, apart from the BOS
    drawn = nearest(backbone, prompt.bases[:, 1:].detach().flatten(0, 1)).tolist()
    assert len(set(drawn)) == len(drawn)


def test_noise_starts_at_the_size_of_embeddings(backbone: Backbone) -> None:
    for kind in KINDS:
        config = config_for(kind, tokens=40, bases=1, init="random", bos_first=False)
        with torch.no_grad():
            found = make_soft_prompt(config, backbone, 5, seed=3)(contexts(4))
        assert float(found.detach().std()) == pytest.approx(backbone.embedding_std, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_start_whatever_torch_drew_before(
    backbone: Backbone, kind: str
) -> None:
    made = []
    for seed in (1, 1, 2):
        torch.rand(3)
        made.append(make_soft_prompt(config_for(kind, tokens=4), backbone, 5, seed=seed))
    z = contexts(2)
    assert torch.equal(made[0](z), made[1](z))
    assert not torch.equal(made[0](z), made[2](z))


def test_the_last_columns_may_start_as_a_text(backbone: Backbone) -> None:
    text = "the cat sat"
    ids = backbone.lm.tokenizer(text, add_special_tokens=False)["input_ids"]
    wanted = backbone.embed(torch.tensor(ids)).float()
    for kind in KINDS:
        config = config_for(kind, tokens=len(ids) + 3, init="text", init_text=text)
        columns = make_soft_prompt(config, backbone, 5, seed=0)(torch.zeros(2, 5))[:, -len(ids) :]
        spread = {"np": 1e-6, "mp": 0.1, "mc": 0.3}[kind] * backbone.embedding_std
        assert (columns - wanted).abs().max() <= 4 * spread


def test_of_a_text_that_is_too_long_the_end_counts(backbone: Backbone) -> None:
    config = config_for("np", tokens=2, init="text", init_text="the cat sat", bos_first=False)
    ids = backbone.lm.tokenizer("the cat sat", add_special_tokens=False)["input_ids"]
    wanted = backbone.embed(torch.tensor(ids[-2:])).float()
    columns = make_soft_prompt(config, backbone, 5, seed=0)(torch.zeros(1, 5))[0]
    torch.testing.assert_close(columns, wanted)


def test_a_text_to_start_from_must_be_given(backbone: Backbone) -> None:
    with raises(ConfigError, "missing_key", "init_text"):
        make_soft_prompt(config_for("mc", init="text"), backbone, 5, seed=0)


def test_a_vocabulary_that_is_too_small_repeats_tokens(backbone: Backbone) -> None:
    config = config_for("mp", tokens=200, bases=3, bos_first=False)
    prompt = make_soft_prompt(config, backbone, 5, seed=3)
    assert isinstance(prompt, MixturePrompt)
    assert prompt.bases.isfinite().all()
    drawn = nearest(backbone, prompt.bases[0].detach()).tolist()
    assert len(set(drawn)) == 200


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_float32_under_a_bfloat16_model(kind: str) -> None:
    lm = tiny_family("llama")
    model: Any = lm.model
    model.to(torch.bfloat16)
    half = Backbone(lm)
    prompt = make_soft_prompt(config_for(kind, tokens=3), half, 5, seed=0)
    assert all(one.dtype == torch.float32 for one in prompt.parameters())
    ids = torch.tensor([[4, 5, 1]])
    costs: Any = half.token_losses(prompt(contexts(1)), ids, torch.tensor([3])).sum()
    costs.backward()
    grads = [one.grad for one in prompt.parameters()]
    assert all(grad is not None and grad.dtype == torch.float32 for grad in grads)


@pytest.mark.parametrize("kind", KINDS)
def test_a_soft_prompt_learns_what_it_is_to_say(backbone: Backbone, kind: str) -> None:
    """Contextual prompts tell two texts apart by z; the one matrix cannot."""
    prompt = make_soft_prompt(config_for(kind, tokens=3, hidden=16), backbone, 5, seed=0)
    z = contexts(2)
    ids = torch.tensor([[40, 41, 42, 43], [90, 80, 70, 60]])
    lengths = torch.tensor([4, 4])
    optimiser = torch.optim.Adam(prompt.parameters(), lr=0.05)
    costs: Any = None
    for _ in range(20):
        optimiser.zero_grad()
        costs = backbone.token_losses(prompt(z), ids, lengths).mean()
        costs.backward()
        optimiser.step()
    exchanged = backbone.token_losses(prompt(z.flip(0)), ids, lengths).mean()
    gap = float((exchanged - costs).detach())
    assert (gap > 0.1) is (kind != "np")
