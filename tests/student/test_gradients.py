"""Factored gradients: what the exact outer products give, without ever forming them."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.student.selection.gradient_products import (
    inner_products,
    squared_distances,
    squared_norms,
)
from metasynth.student.selection.gradients import GradientEmbeddings, gradient_embeddings
from tests.tiny_lm import tiny_llama, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
VOCABULARY = 320
Label = Literal["argmax", "target"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def lm() -> LoadedLM:
    return wrap_lm(tiny_llama(TOKENIZER), TOKENIZER, name="tiny")


def rows(count: int = 7) -> list[Encoded]:
    made = []
    for number in range(count):
        ids = [(number * 31 + 17 * place) % 290 + 9 for place in range(4 + number % 5)]
        made.append(Encoded(ids, [place > 1 for place in range(len(ids))]))
    return made


def exact(lm: LoadedLM, row: Encoded, label: Label, *, first: bool = False) -> NDArray[np.float64]:
    """The gradient of the mean loss with respect to the output layer, by automatic differentiation.

    [vocabulary, width].
    """
    model: Any = lm.model
    states: list[torch.Tensor] = []
    hook = model.lm_head.register_forward_pre_hook(lambda _, args: states.append(args[0]))
    with torch.no_grad():
        model(input_ids=torch.tensor([row.ids]))
    hook.remove()
    weight = model.lm_head.weight.detach().clone().double().requires_grad_(True)
    logits = states[0][0].double() @ weight.T
    places = [place for place in range(len(row.ids)) if row.is_target[place]]
    if first:
        places = places[:1]
    before = logits[[place - 1 for place in places]]
    targets = torch.tensor([row.ids[place] for place in places])
    labels = before.argmax(-1) if label == "argmax" else targets
    loss = torch.nn.functional.cross_entropy(before, labels)
    (gradient,) = torch.autograd.grad(loss, weight)
    return np.asarray(gradient.numpy())


def flat(lm: LoadedLM, label: Label, *, first: bool = False) -> NDArray[np.float64]:
    return np.stack([exact(lm, row, label, first=first).ravel() for row in rows()])


@pytest.mark.parametrize("label", ["argmax", "target"])
@pytest.mark.parametrize("places", ["all", "first"])
def test_with_the_whole_vocabulary_products_and_distances_are_exact(
    lm: LoadedLM, label: Label, places: Literal["all", "first"]
) -> None:
    found = gradient_embeddings(lm, rows(), top_tokens=VOCABULARY, label=label, places=places)
    wanted = flat(lm, label, first=places == "first")
    norms = squared_norms(found)
    np.testing.assert_allclose(norms, (wanted**2).sum(1), rtol=1e-4)
    products = inner_products(found, found)
    np.testing.assert_allclose(products, wanted @ wanted.T, rtol=1e-4, atol=1e-6)
    between = ((wanted[:, None] - wanted[None]) ** 2).sum(-1)
    distances = squared_distances(found, found, norms, norms)
    np.testing.assert_allclose(distances, between, rtol=1e-3, atol=1e-6)


def test_the_label_is_kept_even_where_it_is_not_among_the_likeliest(lm: LoadedLM) -> None:
    found = gradient_embeddings(lm, rows(), top_tokens=2, label="target")
    assert found.q.shape == found.token_ids.shape == (len(found.q), 3)
    at_label = found.q[np.arange(len(found.q)), found.label_column]
    assert (at_label < 0).all()
    targets = [i for row in rows() for i, t in zip(row.ids, row.is_target, strict=True) if t]
    assert found.token_ids[np.arange(len(found.q)), found.label_column].tolist() == targets
    assert (found.probabilities >= 0).all()
    assert (found.probabilities.sum(1) <= 1 + 1e-6).all()


def test_more_of_the_vocabulary_comes_nearer_to_the_truth(lm: LoadedLM) -> None:
    wanted = (flat(lm, "argmax") ** 2).sum(1)
    errors = [
        np.abs(squared_norms(gradient_embeddings(lm, rows(), top_tokens=m)) - wanted).max()
        for m in (1, 8, 64, VOCABULARY)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4 * wanted.max()


def test_a_row_and_its_double_are_at_distance_zero(lm: LoadedLM) -> None:
    twice = [*rows(3), *rows(3)]
    for places in ("all", "first"):
        found = gradient_embeddings(lm, twice, places=places)
        norms = squared_norms(found)
        distances = squared_distances(found, found, norms, norms)
        assert distances[[0, 0, 1, 1], [0, 3, 1, 4]].tolist() == [0.0] * 4


def test_taking_rows_takes_their_places(lm: LoadedLM) -> None:
    found = gradient_embeddings(lm, rows())
    some = found.take([4, 1, 1])
    assert len(some) == 3
    wanted = inner_products(found, found)[np.ix_([4, 1, 1], [4, 1, 1])]
    np.testing.assert_allclose(inner_products(some, some), wanted, rtol=1e-12)


def test_by_hand_two_places_on_three_words() -> None:
    made = GradientEmbeddings(
        q=np.array([[-0.5, 0.3], [0.25, -0.5], [-1.0, 0.0]], dtype=np.float32),
        token_ids=np.array([[0, 2], [0, 1], [2, 2]], dtype=np.int32),
        label_column=np.array([0, 1, 0], dtype=np.int32),
        h=np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]], dtype=np.float32),
        starts=np.array([0, 2, 3], dtype=np.int64),
    )
    first = np.array([[-0.5, 0.0], [0, 0], [0.3, 0]]) + np.array([[0, 0.5], [0, -1.0], [0, 0]])
    second = np.array([[0, 0], [0, 0], [-3.0, -1.0]])
    expected = [((first / 2) ** 2).sum(), (second**2).sum()]
    np.testing.assert_allclose(squared_norms(made), expected, rtol=1e-6)
    product = inner_products(made, made)[0, 1]
    np.testing.assert_allclose(product, (first / 2 * second).sum(), rtol=1e-6)
    np.testing.assert_allclose(made.probabilities[0], [0.5, 0.3], rtol=1e-6)


def test_without_a_row_there_is_nothing_to_take(lm: LoadedLM) -> None:
    with pytest.raises(ValueError, match="no row"):
        gradient_embeddings(lm, [])
