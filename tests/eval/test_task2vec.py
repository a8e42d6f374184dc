"""Task2Vec: the distance, the Fisher diagonal against its exact expectation, both forms."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metasynth.eval.task2vec.coefficient import (
    Task2VecSettings,
    scaled_distance,
    task2vec_diversity,
)
from metasynth.eval.task2vec.fisher import FisherOptions, fisher_embedding
from metasynth.lm.load import LoadedLM, wrap_lm
from tests.tiny_lm import tiny_llama, tiny_tokenizer

ENTRIES = arrays(np.float64, 6, elements=st.floats(0, 1e3))
QUICK = {"batches": 4, "texts": 3, "max_tokens": 12, "draws": 2}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def lm() -> LoadedLM:
    tokenizer = tiny_tokenizer()
    model = tiny_llama(
        tokenizer,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    return wrap_lm(model, tokenizer, name="tiny")


def texts(count: int = 12) -> list[str]:
    return [f"text {number} of {number * 37 % 11} words" for number in range(count)]


# --- the distance


@settings(deadline=None)
@given(one=ENTRIES, other=ENTRIES)
def test_the_distance_is_symmetric_and_between_zero_and_one(one: Any, other: Any) -> None:
    distance = scaled_distance(one, other)
    assert 0 <= distance <= 1
    assert distance == pytest.approx(scaled_distance(other, one), abs=1e-12)
    assert scaled_distance(one, one) == 0


def test_the_distance_by_hand() -> None:
    # shares 3/4, 1/2 and 1/4, 1/2
    expected = 1 - (3 / 16 + 1 / 4) / (math.sqrt(13) / 4 * math.sqrt(5) / 4)
    assert scaled_distance(np.array([3.0, 1]), np.array([1.0, 1])) == pytest.approx(expected)
    assert scaled_distance(np.array([1.0, 0]), np.array([0.0, 1])) == 1
    # a multiple is near to nothing else: the constant 1e-8 alone keeps it from 0
    assert scaled_distance(np.array([1.0, 2]), np.array([3.0, 6])) == pytest.approx(0, abs=1e-8)


# --- the Fisher information


def exact_fisher(lm: LoadedLM, rows: list[list[int]], weight: Any) -> Any:
    """E[(d log p / dw)²] over all labels, a place at a time, averaged over places."""
    total, places = torch.zeros_like(weight), 0
    for row in rows:
        for end in range(1, len(row)):
            logits = lm.model(input_ids=torch.tensor([row[:end]])).logits[0, -1]
            logs = logits.log_softmax(-1)
            for label in range(len(logs)):
                (grad,) = torch.autograd.grad(logs[label], weight, retain_graph=True)
                total += logs[label].exp().detach() * grad.square()
            places += 1
    return total / places


def options(**values: Any) -> FisherOptions:
    given: dict[str, Any] = {
        "published": False,
        "epochs": 0,
        "learning_rate": 5e-5,
        "rows": 8,
        "fisher_rows": 1,
        "draws": 400,
        "width": 8,
        "seed": 1,
    }
    return FisherOptions(**{**given, **values})


def test_the_corrected_form_estimates_the_exact_expectation(lm: LoadedLM) -> None:
    rows = [[40, 50, 60, 45], [70, 41, 52]]
    norm: Any = lm.model.model.norm
    norm.weight.requires_grad_(True)
    exact = exact_fisher(lm, rows, norm.weight).numpy()
    norm.weight.requires_grad_(False)
    found = fisher_embedding(lm, rows, options())
    place = found[-len(exact) :]  # the last norm is the last module but the head
    assert place == pytest.approx(exact, rel=0.25)
    assert place.mean() == pytest.approx(exact.mean(), rel=0.05)
    # whatever stands together in a step, it is the information of one token
    together = fisher_embedding(lm, rows, options(fisher_rows=2, draws=800))
    assert together[-len(exact) :].mean() == pytest.approx(exact.mean(), rel=0.1)


def test_padding_does_not_count_in_the_corrected_form(lm: LoadedLM) -> None:
    rows = [[40, 50, 60, 45], [70, 41]]
    assert lm.tokenizer.eos_token_id is not None
    narrow = fisher_embedding(lm, rows, options(width=4, draws=5))
    wide = fisher_embedding(lm, rows, options(width=64, draws=5))
    assert np.array_equal(narrow, wide)


def test_it_counts_a_number_a_filter_and_leaves_the_model_as_it_was(lm: LoadedLM) -> None:
    before = {name: weight.clone() for name, weight in lm.model.named_parameters()}
    found = fisher_embedding(lm, [[40, 50, 60]], options(draws=1, epochs=2, learning_rate=0.1))
    # token table 320; q, k, v, o of 16; gate, up of 24, down of 16; three norms of 16
    assert len(found) == 320 + 4 * 16 + 2 * 24 + 16 + 3 * 16
    assert (found >= 0).all()
    assert np.isfinite(found).all()
    for name, weight in lm.model.named_parameters():
        assert torch.equal(weight, before[name])
        assert not weight.requires_grad


def released_loop(lm: LoadedLM, rows: list[list[int]], *, width: int, epochs: int) -> Any:
    """What the released code does, without dropout: labels one place off, padding, a mean."""
    model: Any = copy.deepcopy(lm.model).requires_grad_(True)
    end = lm.tokenizer.eos_token_id
    ids = torch.tensor([row + [end] * (width - len(row)) for row in rows])
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])

    def loss(labels: Any) -> Any:
        logits = model(input_ids=ids, attention_mask=real).logits
        labels = logits.argmax(-1) if labels is None else labels
        shifted = logits[:, :-1].transpose(1, 2), labels[:, 1:]
        return torch.nn.functional.cross_entropy(*shifted, ignore_index=end)

    head = model.get_output_embeddings().parameters()
    optimiser = torch.optim.AdamW(head, lr=0.01, weight_decay=1e-4)
    for _ in range(epochs):
        optimiser.zero_grad()
        loss(ids).backward()
        optimiser.step()
    model.zero_grad()
    loss(None).backward()
    parts = [
        module.weight.grad.square().reshape(len(module.weight), -1).mean(1)
        for name, module in model.named_modules()
        if name != "lm_head" and getattr(module, "weight", None) is not None
    ]
    return torch.cat(parts).numpy()


@pytest.mark.parametrize("epochs", [0, 3])
def test_the_published_form_is_the_released_loop(
    lm: LoadedLM, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the likeliest labels in place of drawn ones, so that both have the same
    monkeypatch.setattr(torch, "multinomial", lambda p, _: p.argmax(-1, keepdim=True))
    rows = [[40, 50, 60, 45], [70, 41], [61, 62, 63]]
    chosen = options(
        published=True, epochs=epochs, learning_rate=0.01, fisher_rows=8, draws=1, width=6
    )
    found = fisher_embedding(lm, rows, chosen)
    assert found == pytest.approx(released_loop(lm, rows, width=6, epochs=epochs), rel=1e-4)


def test_fine_tuning_the_head_changes_the_information(lm: LoadedLM) -> None:
    rows = [[40, 50, 60, 45]] * 4
    plain, tuned = (
        fisher_embedding(lm, rows, options(epochs=epochs, learning_rate=0.05, draws=50))
        for epochs in (0, 5)
    )
    assert scaled_distance(plain, tuned) > 0.01


# --- the coefficient


@pytest.mark.parametrize("form", ["corrected", "published"])
def test_both_forms_give_a_coefficient_with_its_noise(lm: LoadedLM, form: Any) -> None:
    chosen = Task2VecSettings(form=form, **QUICK)
    seen: list[tuple[int, int]] = []
    state = torch.get_rng_state()
    metric = task2vec_diversity(lm, texts(), chosen, on_batch=lambda *done: seen.append(done))
    assert metric.value is not None
    assert 0 < metric.value < 1
    assert metric.detail["pairs"] == 6
    assert metric.settings["probe"] == "tiny"
    assert metric.settings["form"] == form
    assert 0 < float(str(metric.detail["noise_floor"])) < 1
    assert seen[-1] == (4, 4)
    assert torch.equal(state, torch.get_rng_state())  # nobody else's draws are disturbed
    again = task2vec_diversity(lm, texts(), chosen)
    assert again.value == metric.value


def test_more_labels_lower_the_noise(lm: LoadedLM) -> None:
    floors = [
        task2vec_diversity(
            lm, texts(), Task2VecSettings(batches=2, texts=3, max_tokens=12, draws=draws)
        ).detail["noise_floor"]
        for draws in (1, 30)
    ]
    assert float(str(floors[1])) < float(str(floors[0])) / 3


@pytest.mark.parametrize(("given_", "told"), [([], "two texts"), (["a"], "two texts")])
def test_too_few_texts(lm: LoadedLM, given_: list[str], told: str) -> None:
    metric = task2vec_diversity(lm, given_)
    assert metric.value is None
    assert told in metric.reason


def test_texts_of_one_token_cannot_be_embedded(lm: LoadedLM) -> None:
    metric = task2vec_diversity(lm, ["a", "b", ""], Task2VecSettings(**QUICK))  # type: ignore[arg-type]
    assert metric.value is None
    assert "two tokens" in metric.reason


def test_equal_batches_count_as_zero_in_the_corrected_form_alone() -> None:
    from metasynth.eval.task2vec.coefficient import _coefficient

    one, other = np.array([1.0, 0]), np.array([0.0, 1])
    values = [
        _coefficient([one, one, other], [], Task2VecSettings(form=form), {}, 3).value
        for form in ("corrected", "published")
    ]
    assert values == pytest.approx([2 / 3, 1.0])
