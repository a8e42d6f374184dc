"""The context encoder: means that padding does not reach, a standardiser, a cache, lossiness."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from metasynth.config.softsrv import EncoderConfig
from metasynth.errors import RequestError
from metasynth.lm.load import wrap_lm
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.vectors.embed import load_embedder
from tests.raising import raises
from tests.tiny_families import FAMILIES, tiny_family
from tests.tiny_lm import save_tiny_lm

TEXTS = [
    "Tom has three apples. How many are left after two?",
    "A",
    "Write a function that adds two numbers and returns the sum of both.",
    "Is the sky blue?",
    "What is 12 times 12?",
    "Name the capital of a country and say how far it is from the sea, in a long sentence.",
]
RAW = EncoderConfig()


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone(tiny_family("llama"))


def fit(backbone: Backbone, config: EncoderConfig = RAW, **options: Any) -> ContextEncoder:
    texts = options.pop("texts", TEXTS)
    chosen = {"cache": None, "seed": 0, **options}
    return ContextEncoder.fit(config, texts, backbone=backbone, **chosen)


def raw(encoder: ContextEncoder, texts: list[str]) -> Tensor:
    """Vectors before they are standardised."""
    tensors, _ = encoder.state()
    return encoder.encode(texts) / tensors["scale"] + tensors["mean"]


def written_out(backbone: Backbone, text: str, pooling: str) -> Tensor:
    """The mean over a text alone, without batches, masks or caches."""
    ids = torch.tensor([backbone.lm.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        if pooling == "input":
            return backbone.embed(ids)[0].float().mean(0)
        found = backbone.model(input_ids=ids, output_hidden_states=True)
    return found.hidden_states[-1][0].float().mean(0)  # type: ignore[no-any-return]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["hidden", "input"])
def test_vectors_are_means_over_a_texts_own_tokens(family: str, pooling: str) -> None:
    """In a batch of texts of many lengths each is what it is alone: no padding is averaged."""
    backbone = Backbone(tiny_family(family))
    encoder = fit(backbone, EncoderConfig.model_validate({"pooling": pooling}))
    wanted = torch.stack([written_out(backbone, text, pooling) for text in TEXTS])
    torch.testing.assert_close(raw(encoder, TEXTS), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_alone_has_the_vector_that_it_has_among_others(family: str) -> None:
    backbone = Backbone(tiny_family(family))
    together = fit(backbone).encode(TEXTS)
    for number, text in enumerate(TEXTS):
        alone = fit(backbone).encode([text])
        torch.testing.assert_close(alone[0], together[number], rtol=1e-3, atol=1e-3)


def test_a_token_that_the_tokenizer_adds_is_read_but_not_averaged() -> None:
    lm = tiny_family("llama", bos=True)
    bos = lm.tokenizer.bos_token_id
    tokenizer: Any = lm.tokenizer
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{tokenizer.bos_token} $A", special_tokens=[(tokenizer.bos_token, bos)]
    )
    backbone = Backbone(lm)
    ids = torch.tensor([tokenizer("apples")["input_ids"]])
    assert ids[0, 0] == bos
    states = backbone.model.base_model(input_ids=ids).last_hidden_state[0]
    found = raw(fit(backbone), ["apples"])
    torch.testing.assert_close(found[0], states[1:].mean(0), rtol=1e-3, atol=1e-4)
    nothing = raw(fit(backbone), [""])
    torch.testing.assert_close(nothing[0], torch.zeros(32), atol=1e-5, rtol=0)


def test_contexts_have_mean_zero_and_spread_one_over_the_train_texts(backbone: Backbone) -> None:
    for options in ({}, {"components": 3}, {"components": 3, "projection": "random"}):
        z = fit(backbone, EncoderConfig.model_validate(options)).encode(TEXTS)
        torch.testing.assert_close(z.mean(0), torch.zeros(z.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(
            z.std(0, correction=0), torch.ones(z.shape[1]), rtol=1e-3, atol=0
        )
        assert z.dtype == torch.float32


def test_a_coordinate_that_never_varies_is_zero_and_not_infinite() -> None:
    lm = tiny_family("llama")
    model: Any = lm.model
    with torch.no_grad():
        model.get_input_embeddings().weight[:, 4] = 7.0
    encoder = fit(Backbone(lm), EncoderConfig(pooling="input"))
    z = encoder.encode([*TEXTS, "something new"])
    assert z.isfinite().all()
    assert z[:, 4].abs().max() < 1e-3
    assert fit(Backbone(lm), texts=["one alone"]).encode(["one alone"]).abs().max() < 1e-3


def test_the_standardiser_is_the_train_texts_and_not_what_is_encoded(backbone: Backbone) -> None:
    encoder = fit(backbone)
    before = encoder.encode(TEXTS[:2])
    encoder.encode(["other texts", "that are not of the training"])
    assert torch.equal(encoder.encode(TEXTS[:2]), before)


def test_texts_of_every_kind_have_a_vector(backbone: Backbone) -> None:
    odd = ["", "half a pair \ud800", "é漢字🙂", "x" * 5000, "\n\n"]
    z = fit(backbone, texts=[*TEXTS, *odd]).encode(odd)
    assert z.shape == (5, 32)
    assert z.isfinite().all()
    assert fit(backbone).encode([]).shape == (0, 32)
    with raises(RequestError, "no_text"):
        fit(backbone, texts=[])


def test_a_text_is_read_up_to_its_limit(backbone: Backbone) -> None:
    short = fit(backbone, EncoderConfig(max_tokens=4))
    ids = backbone.lm.tokenizer(TEXTS[0])["input_ids"][:4]
    beginning = str(backbone.lm.tokenizer.decode(ids))
    found = short.encode([TEXTS[0], beginning])
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)
    assert short.model_id != fit(backbone).model_id


def computed(backbone: Backbone) -> list[int]:
    """Appended to whenever the model reads texts: how many at a time."""
    seen: list[int] = []
    backbone.model.base_model.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(len(kwargs["input_ids"])),
        with_kwargs=True,
    )
    return seen


def test_what_is_known_is_not_computed_again(tmp_path: Path) -> None:
    backbone = Backbone(tiny_family("llama"))
    cache = tmp_path / "deep" / "vectors.sqlite"
    first = fit(backbone, cache=cache)
    wanted = first.encode(TEXTS)
    first.close()
    seen = computed(backbone)
    again = fit(backbone, cache=cache, texts=TEXTS[::-1])
    torch.testing.assert_close(again.encode(TEXTS), wanted)
    assert sum(seen) <= 1  # to learn how wide vectors are
    again.encode([*TEXTS, "new", "new"])
    assert sum(seen) <= 3
    again.close()


def test_vectors_are_kept_by_weights_pooling_and_text(tmp_path: Path) -> None:
    cache = tmp_path / "vectors.sqlite"
    for seed in (0, 1):
        backbone = Backbone(tiny_family("llama", seed=seed))
        for pooling in ("hidden", "input"):
            config = EncoderConfig.model_validate({"pooling": pooling})
            fit(backbone, config, cache=cache).close()
    with sqlite3.connect(cache) as found:
        assert found.execute("SELECT COUNT(DISTINCT model) FROM vectors").fetchone() == (4,)
        assert found.execute("SELECT COUNT(*) FROM vectors").fetchone() == (4 * len(TEXTS),)
    found.close()


def test_components_beyond_the_data_are_fewer_and_said(
    backbone: Backbone, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = fit(backbone, EncoderConfig(components=64))
    assert encoder.width == 5  # six texts spread in five directions
    assert encoder.notes == (
        "z has 5 components, not 64: 6 train texts spread in 5 directions of 32",
    )
    assert encoder.notes[0] in caplog.text
    wide = fit(backbone, EncoderConfig(components=64, projection="random"))
    assert (wide.width, wide.notes[0]) == (
        32,
        "z has 32 components, not 64: its vectors have 32 numbers",
    )
    assert not fit(backbone, EncoderConfig(components=4)).notes
    lonely = fit(backbone, EncoderConfig(components=4), texts=["alone"])
    assert lonely.encode(["alone"]).isfinite().all()


def test_principal_components_are_uncorrelated_and_the_largest_first(backbone: Backbone) -> None:
    texts = [f"{text} {number}" for text in TEXTS for number in range(4)]
    full = fit(backbone, texts=texts).encode(texts).double()
    z = fit(backbone, EncoderConfig(components=5), texts=texts).encode(texts).double()
    torch.testing.assert_close(z.T @ z / len(texts), torch.eye(5).double(), atol=1e-3, rtol=0)
    # what five components explain, against what any five could
    weights = torch.linalg.lstsq(z, full).solution
    left = ((full - z @ weights) ** 2).sum()
    values = torch.linalg.svdvals(full)
    torch.testing.assert_close(left, (values[5:] ** 2).sum(), rtol=1e-3, atol=1e-3)


def test_a_random_projection_hangs_on_its_seed(backbone: Backbone) -> None:
    config = EncoderConfig(components=4, projection="random")
    one, same, other = (fit(backbone, config, seed=seed).encode(TEXTS) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


def test_noise_is_drawn_from_its_generator(backbone: Backbone) -> None:
    encoder = fit(backbone, EncoderConfig(noise=0.5))
    z = encoder.encode(TEXTS).repeat(200, 1)
    drawn = [encoder.noisy(z, generator=torch.Generator().manual_seed(n)) - z for n in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert float(drawn[0].std()) == pytest.approx(0.5, rel=0.05)
    assert torch.equal(encoder.encode(TEXTS), encoder.encode(TEXTS))
    quiet = fit(backbone)
    assert quiet.noisy(z, generator=torch.Generator()) is z


def test_an_encoder_comes_back_from_its_state(backbone: Backbone) -> None:
    for options in ({}, {"components": 3}, {"components": 3, "projection": "random", "noise": 1}):
        encoder = fit(backbone, EncoderConfig.model_validate(options))
        tensors, told = encoder.state()
        again = ContextEncoder.from_state(tensors, told, backbone=backbone)
        assert torch.equal(again.encode(TEXTS), encoder.encode(TEXTS))
        assert (again.width, again.model_id, again.config) == (
            encoder.width,
            encoder.model_id,
            encoder.config,
        )


def test_a_state_is_refused_under_other_weights(backbone: Backbone) -> None:
    tensors, told = fit(backbone).state()
    other = Backbone(tiny_family("llama", seed=9))
    with raises(RequestError, "other_encoder", "'backbone'"):
        ContextEncoder.from_state(tensors, told, backbone=other)


def test_another_model_can_be_the_encoder(backbone: Backbone, tmp_path: Path) -> None:
    folder = save_tiny_lm(tmp_path / "encoder", hidden_size=16, num_attention_heads=2)
    config = EncoderConfig(model=f"lm:{folder}")
    encoder = fit(backbone, config)
    assert encoder.width == 16
    wanted = encoder.encode(TEXTS)
    tensors, told = encoder.state()
    again = ContextEncoder.from_state(tensors, told, backbone=backbone)
    assert torch.equal(again.encode(TEXTS), wanted)


def test_another_model_is_missed_at_the_first_text_only(backbone: Backbone, tmp_path: Path) -> None:
    """Sampling from contexts that are known needs no encoder."""
    folder = save_tiny_lm(tmp_path / "encoder", hidden_size=16, num_attention_heads=2)
    tensors, told = fit(backbone, EncoderConfig(model=f"lm:{folder}")).state()
    save_tiny_lm(folder, hidden_size=16, num_attention_heads=2, seed=5)
    changed = ContextEncoder.from_state(tensors, told, backbone=backbone)
    with raises(RequestError, "other_encoder", str(folder)):
        changed.encode(TEXTS)
    (folder / "config.json").unlink()
    gone = ContextEncoder.from_state(tensors, told, backbone=backbone)
    with raises(RequestError, "no_model", "config.json"):
        gone.encode(TEXTS)
    with raises(RequestError, "no_model", "config.json"):
        fit(backbone, EncoderConfig(model=f"lm:{folder}"))


def test_the_packaged_embedder_can_be_the_encoder(backbone: Backbone, tmp_path: Path) -> None:
    cache = tmp_path / "vectors.sqlite"
    encoder = fit(backbone, EncoderConfig(model="default", components=4), cache=cache)
    plain = fit(backbone, EncoderConfig(model="default"), cache=cache)
    assert (encoder.width, plain.width) == (4, 384)
    embedder = load_embedder(cache=cache)
    wanted = torch.from_numpy(embedder.vectors(TEXTS))
    torch.testing.assert_close(raw(plain, TEXTS), wanted, rtol=1e-3, atol=1e-5)
    for one in (encoder, plain, embedder):
        one.close()


def test_a_model_without_hidden_states_of_its_own_is_told() -> None:
    lm = tiny_family("llama")
    model: Any = lm.model
    model.base_model_prefix = ""
    backbone = Backbone(wrap_lm(model, lm.tokenizer, name="flat"))
    with raises(RequestError, "no_hidden_states"):
        fit(backbone)
    assert fit(backbone, EncoderConfig(pooling="input")).width == 32


def test_half_precision_gives_nearly_the_same_contexts() -> None:
    exact = fit(Backbone(tiny_family("llama"))).encode(TEXTS)
    lm = tiny_family("llama")
    model: Any = lm.model
    model.to(torch.bfloat16)
    half = fit(Backbone(lm)).encode(TEXTS)
    assert half.dtype == torch.float32
    assert float((half - exact).abs().mean()) < 0.1


@settings(max_examples=20, deadline=None)
@given(
    texts=st.lists(st.text(max_size=30), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_order_and_repetition_change_no_vector(
    backbone: Backbone, texts: list[str], order: Any
) -> None:
    encoder = fit(backbone)
    wanted = dict(zip(texts, encoder.encode(texts), strict=True))
    mixed = [*texts, *texts]
    order.shuffle(mixed)
    for text, vector in zip(mixed, encoder.encode(mixed), strict=True):
        torch.testing.assert_close(vector, wanted[text], rtol=1e-3, atol=1e-3)
