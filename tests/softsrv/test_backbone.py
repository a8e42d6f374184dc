"""The frozen backbone: what goes in, what comes out, and that nothing of it ever changes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaForCausalLM, LlamaModel

from metasynth.errors import RequestError
from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.softsrv.backbone import Backbone
from tests.raising import raises
from tests.tiny_families import FAMILIES, VOCABULARY, tiny_family
from tests.tiny_lm import tiny_llama, tiny_tokenizer

TEXTS = ["What is 7 + 5?", "A", "Tom has three apples and eats two of them. How many are left?"]


@pytest.fixture(scope="module", params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return Backbone(tiny_family(request.param))


@pytest.fixture(scope="module")
def llama() -> Backbone:
    return Backbone(tiny_family("llama"))


def padded(backbone: Backbone, texts: list[str], *, padding: int = 0) -> tuple[Tensor, Tensor]:
    rows = backbone.tokenize(texts)
    lengths = torch.tensor([len(row) for row in rows])
    width = int(lengths.max()) + padding
    ids = torch.tensor([[*row, *[9] * (width - len(row))] for row in rows])
    return ids, lengths


def backward(loss: Any) -> None:
    loss.backward()


def prompts_for(backbone: Backbone, rows: int, tokens: int = 5, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, tokens, backbone.width)
    return torch.randn(shape, generator=generator) * backbone.embedding_std


def test_logits_of_embedded_tokens_are_those_of_the_tokens(backbone: Backbone) -> None:
    ids = torch.randint(0, VOCABULARY, (2, 9), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = backbone.model(input_ids=ids).logits
        found = backbone.model(inputs_embeds=backbone.embed(ids)).logits
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("family", "scale"), [("gemma2", 32**0.5), ("gemma3", 32**0.5)])
def test_gemma_embeds_by_its_module_and_not_by_raw_rows(family: str, scale: float) -> None:
    backbone = Backbone(tiny_family(family))
    ids = torch.arange(4, 20)
    raw = backbone.model.get_input_embeddings().weight[ids]
    torch.testing.assert_close(backbone.embed(ids), raw * scale, rtol=1e-3, atol=1e-3)
    assert float(backbone.convention["embedding_scale"]) == pytest.approx(scale, rel=1e-3)


def test_a_prompt_of_token_embeddings_costs_what_the_tokens_cost(backbone: Backbone) -> None:
    """P = module(ids) gives each target the cost that the model itself gives it after `ids`."""
    ids, lengths = padded(backbone, TEXTS[:1])
    before = torch.tensor([[5, 80, 33]])
    whole = torch.cat([before, ids], dim=1)
    with torch.no_grad():
        logits = backbone.model(input_ids=whole).logits[0, 2:-1].float()
        found = backbone.token_losses(backbone.embed(before), ids, lengths)
    wanted = F.cross_entropy(logits, ids[0], reduction="none")
    torch.testing.assert_close(found[0], wanted)


def test_the_loss_is_the_cross_entropy_from_the_last_soft_token_on(backbone: Backbone) -> None:
    """Gemma-2's capped logits included: the cost is taken from what the model says."""
    ids, lengths = padded(backbone, TEXTS)
    prompts = prompts_for(backbone, len(TEXTS))
    embedded = torch.cat([prompts, backbone.embed(ids)], dim=1)
    with torch.no_grad():
        logits = backbone.model(inputs_embeds=embedded).logits.float()  # [B, t + L, vocabulary]
        found = backbone.token_losses(prompts, ids, lengths)
    wanted = F.cross_entropy(logits[:, 4:-1].transpose(1, 2), ids, reduction="none")
    counted = torch.arange(ids.shape[1]) < lengths[:, None]
    torch.testing.assert_close(found, wanted * counted)
    labels = torch.cat([torch.full((3, 5), -100), ids.masked_fill(~counted, -100)], dim=1)
    with torch.no_grad():
        shifted = backbone.model(inputs_embeds=embedded, labels=labels).loss
    torch.testing.assert_close(found.sum() / lengths.sum(), shifted)


def test_padding_changes_nothing(backbone: Backbone) -> None:
    ids, lengths = padded(backbone, TEXTS)
    wider, _ = padded(backbone, TEXTS, padding=7)
    prompts = prompts_for(backbone, len(TEXTS))
    with torch.no_grad():
        narrow = backbone.token_losses(prompts, ids, lengths)
        wide = backbone.token_losses(prompts, wider, lengths)
    torch.testing.assert_close(wide[:, : ids.shape[1]], narrow)
    assert not wide[:, ids.shape[1] :].any()
    assert not narrow[1, int(lengths[1]) :].any()


def test_a_row_alone_costs_what_it_costs_among_eight(backbone: Backbone) -> None:
    texts = [TEXTS[number % 3] + "!" * number for number in range(8)]
    ids, lengths = padded(backbone, texts)
    prompts = prompts_for(backbone, 8)
    with torch.no_grad():
        together = backbone.token_losses(prompts, ids, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = backbone.token_losses(
                prompts[row : row + 1], ids[row : row + 1, :length], lengths[row : row + 1]
            )
            torch.testing.assert_close(together[row, :length], alone[0], rtol=1e-4, atol=1e-5)


def test_pad_rows_change_neither_loss_nor_gradient(backbone: Backbone) -> None:
    ids, lengths = padded(backbone, TEXTS)
    prompts = prompts_for(backbone, 3).requires_grad_()
    backward(backbone.token_losses(prompts, ids, lengths).sum())
    more = torch.cat([prompts.detach(), prompts_for(backbone, 2, seed=1)]).requires_grad_()
    ids = torch.cat([ids, ids[:2]])
    lengths = torch.cat([lengths, torch.zeros(2, dtype=torch.long)])
    backward(backbone.token_losses(more, ids, lengths).sum())
    assert prompts.grad is not None
    assert more.grad is not None
    torch.testing.assert_close(more.grad[:3], prompts.grad, rtol=1e-4, atol=1e-5)
    assert not more.grad[3:].any()


def test_the_gradient_is_that_of_the_plain_loss(backbone: Backbone) -> None:
    ids, lengths = padded(backbone, TEXTS)
    prompts = prompts_for(backbone, 3).requires_grad_()
    weights = torch.rand(ids.shape, generator=torch.Generator().manual_seed(2))
    backward((backbone.token_losses(prompts, ids, lengths) * weights).sum())
    found = prompts.grad
    prompts.grad = None
    logits = backbone.model(inputs_embeds=torch.cat([prompts, backbone.embed(ids)], 1)).logits
    plain = F.cross_entropy(logits[:, 4:-1].transpose(1, 2), ids, reduction="none")
    counted = torch.arange(ids.shape[1]) < lengths[:, None]
    backward((plain * weights * counted).sum())
    torch.testing.assert_close(found, prompts.grad, rtol=1e-4, atol=1e-5)


def test_weights_hold_no_gradient_and_stay_as_they_are(backbone: Backbone) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    ids, lengths = padded(backbone, TEXTS)
    prompts = torch.nn.Parameter(prompts_for(backbone, 3))
    optimiser = torch.optim.Adam([prompts], lr=0.1)
    for checkpointing in (False, True):
        with backbone.gradient_checkpointing(enabled=checkpointing):
            backward(backbone.token_losses(prompts, ids, lengths).sum())
        optimiser.step()
    assert all(one.grad is None and not one.requires_grad for one in backbone.model.parameters())
    after = backbone.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert not backbone.model.training


def test_gradient_checkpointing_gives_the_same_gradient(backbone: Backbone) -> None:
    """GPT-2 has dropouts of 0.1, which training mode would switch on."""
    ids, lengths = padded(backbone, TEXTS)
    found = []
    for enabled in (False, True):
        prompts = prompts_for(backbone, 3).requires_grad_()
        with backbone.gradient_checkpointing(enabled=enabled):
            losses = backbone.token_losses(prompts, ids, lengths)
            assert backbone.model.is_activation_checkpointing is enabled
            backward(losses.sum())
        found.append((losses.detach(), prompts.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_gradient_checkpointing_ends_where_an_error_ends_it(llama: Backbone) -> None:
    with pytest.raises(KeyboardInterrupt), llama.gradient_checkpointing():
        raise KeyboardInterrupt
    assert not llama.model.is_activation_checkpointing
    assert not llama.model.training
    assert not llama.model.get_input_embeddings()(torch.tensor([3])).requires_grad


def test_a_model_that_cannot_checkpoint_is_told_in_one_line(
    llama: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(llama.model), "supports_gradient_checkpointing", False)
    with (
        raises(RequestError, "no_gradient_checkpointing") as caught,
        llama.gradient_checkpointing(),
    ):
        pass
    assert "gradient_checkpointing: false" in str(caught.value.hint)


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_how_many_logits_are_held_changes_nothing(
    llama: Backbone, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    ids, lengths = padded(llama, TEXTS)
    prompts = prompts_for(llama, 3).requires_grad_()
    backward(llama.token_losses(prompts, ids, lengths).mean())
    wanted, prompts.grad = prompts.grad, None
    monkeypatch.setattr("metasynth.softsrv.token_costs.LOGITS_AT_ONCE", at_once * VOCABULARY)
    backward(llama.token_losses(prompts, ids, lengths).mean())
    torch.testing.assert_close(prompts.grad, wanted)


class OddHead(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """A model that does something of its own to its logits."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        found: Any = super().forward(*args, **kwargs)
        found.logits = found.logits + torch.sin(found.logits)
        return found


class ScalesTokensAlone(LlamaModel):  # type: ignore[no-untyped-call]
    """A model that scales what it embeds, but not what it is given embedded."""

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **rest: Any) -> Any:
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids) * 8.0
        return super().forward(inputs_embeds=inputs_embeds, **rest)


class ScalesAll(LlamaModel):  # type: ignore[no-untyped-call]
    """The way of Gemma in transformers up to 5.3: it scales inside, whatever it is given."""

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **rest: Any) -> Any:
        given = inputs_embeds if inputs_embeds is not None else self.embed_tokens(input_ids)
        return super().forward(inputs_embeds=given * 8.0, **rest)


def odd_lm(
    *, body: type[LlamaModel] = LlamaModel, whole: type[LlamaForCausalLM] = LlamaForCausalLM
) -> LoadedLM:
    usual = tiny_family("llama")
    config: Any = usual.model.config
    torch.manual_seed(3)
    model: Any = whole(config)
    model.model = body(config)
    return wrap_lm(model.eval(), usual.tokenizer, name="odd")


def test_a_model_that_ends_in_its_own_way_is_asked_for_its_logits() -> None:
    backbone = Backbone(odd_lm(whole=OddHead))
    assert not backbone._output.is_chunked
    ids, lengths = padded(backbone, TEXTS)
    prompts = prompts_for(backbone, 3)
    with torch.no_grad():
        logits = backbone.model(inputs_embeds=torch.cat([prompts, backbone.embed(ids)], 1)).logits
        found = backbone.token_losses(prompts, ids, lengths)
    wanted = F.cross_entropy(logits[:, 4:-1].transpose(1, 2), ids, reduction="none")
    torch.testing.assert_close(found, wanted * (torch.arange(ids.shape[1]) < lengths[:, None]))


def test_known_families_hold_few_logits_at_a_time(backbone: Backbone) -> None:
    assert backbone._output.is_chunked


def test_a_model_that_takes_other_embeddings_than_its_own_is_refused() -> None:
    with raises(RequestError, "not_steerable", "logits"):
        Backbone(odd_lm(body=ScalesTokensAlone))


def test_a_model_that_scales_inside_shows_it_in_its_convention() -> None:
    """It is consistent with itself, and its soft prompts fit no model that scales outside."""
    assert float(Backbone(odd_lm(body=ScalesAll)).convention["embedding_scale"]) == 1.0
    gemma = Backbone(tiny_family("gemma2"))
    assert float(gemma.convention["embedding_scale"]) == pytest.approx(32**0.5, rel=1e-3)


class TakesTokensAlone(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """A model that does not run on embeddings."""

    def forward(self, input_ids: Any = None, **rest: Any) -> Any:
        return super().forward(input_ids=input_ids)


def test_a_model_that_takes_no_embeddings_is_refused() -> None:
    with raises(RequestError, "not_steerable") as caught:
        Backbone(odd_lm(whole=TakesTokensAlone))
    assert "Gemma" in str(caught.value.hint)


def test_a_model_without_an_end_token_is_refused() -> None:
    lm = tiny_family("llama")
    lm.tokenizer.eos_token = None
    nameless = wrap_lm(lm.model, lm.tokenizer, name="endless")
    if nameless.end_token_ids:
        nameless.model.generation_config.eos_token_id = None
        nameless = wrap_lm(lm.model, lm.tokenizer, name="endless")
    with raises(RequestError, "no_end_token", "'endless'"):
        Backbone(nameless)


def test_texts_end_with_the_end_token_and_begin_with_nothing() -> None:
    backbone = Backbone(tiny_family("llama", bos=True))
    assert backbone.bos_id is not None
    rows = backbone.tokenize(["ab", "", "half a pair: \ud800"])
    assert [row[-1] for row in rows] == [backbone.end_id] * 3
    assert rows[1] == [backbone.end_id]
    assert backbone.bos_id not in rows[0]
    assert backbone.lm.tokenizer.decode(rows[0][:-1]) == "ab"
    assert backbone.tokenize([]) == []


def test_what_looks_like_a_special_token_in_a_text_is_text(llama: Backbone) -> None:
    text = "stop<|end|>here"
    (row,) = llama.tokenize([text])
    assert row.count(llama.end_id) == 1
    assert llama.lm.tokenizer.decode(row[:-1]) == text


def test_what_does_not_fit_the_context_is_an_error(llama: Backbone) -> None:
    ids = torch.zeros(1, llama.context_length, dtype=torch.long)
    with raises(RequestError, "context_limit", "1 soft", "256 "):
        llama.token_losses(prompts_for(llama, 1, 1), ids, torch.tensor([256]))


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_half_precision_takes_float32_prompts(family: str) -> None:
    lm = tiny_family(family)
    exact = Backbone(lm)
    ids, lengths = padded(exact, TEXTS)
    prompts = prompts_for(exact, 3)
    wanted = exact.token_losses(prompts, ids, lengths)
    model: Any = lm.model
    model.to(torch.bfloat16)
    half = Backbone(lm)
    assert half.dtype == torch.bfloat16
    trained = prompts.clone().requires_grad_()
    found = half.token_losses(trained, ids, lengths)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.1, atol=0.1)
    backward(found.sum())
    assert trained.grad is not None
    assert trained.grad.dtype == torch.float32
    assert trained.grad.abs().sum() > 0


def test_the_spread_of_embeddings_is_that_of_the_module() -> None:
    backbone = Backbone(tiny_family("gemma2"))
    table = backbone.embed(torch.arange(VOCABULARY))
    assert backbone.embedding_std == pytest.approx(float(table.std()), rel=1e-4)


def test_no_target_costs_nothing(llama: Backbone) -> None:
    prompts = prompts_for(llama, 2).requires_grad_()
    losses = llama.token_losses(prompts, torch.zeros(2, 4, dtype=torch.long), torch.zeros(2))
    backward(losses.sum())
    assert not losses.any()


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=5),
    tokens=st.integers(1, 6),
    seed=st.integers(0, 2**20),
)
def test_costs_are_where_targets_are(
    llama: Backbone, lengths: list[int], tokens: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths) + 2
    ids = torch.randint(0, VOCABULARY, (len(lengths), width), generator=generator)
    prompts = prompts_for(llama, len(lengths), tokens, seed=seed)
    with torch.no_grad():
        found = llama.token_losses(prompts, ids, torch.tensor(lengths))
    counted = torch.arange(width) < torch.tensor(lengths)[:, None]
    assert found.shape == ids.shape
    assert bool((found[counted] > 0).all())
    assert not found[~counted].any()


def test_a_text_stands_behind_what_the_models_configuration_says() -> None:
    tokenizer = tiny_tokenizer()
    lm = wrap_lm(tiny_llama(tokenizer), tokenizer, name="tiny")
    lm.model.config.text_prefix = " "
    (row,) = Backbone(lm).tokenize(["lamp"])
    assert tokenizer.decode(row[:-1]) == " lamp"
