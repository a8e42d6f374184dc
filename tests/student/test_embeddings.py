"""Rows as vectors of the student: the right states are pooled, bad rows are told."""

from typing import Any

import numpy as np
import pytest
import torch

from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, StudentRow, make_row
from metasynth.student.selection.embeddings import embed_gradients, embed_rows
from tests.tiny_lm import tiny_llama, tiny_tokenizer
from tests.toy_student import bigram_lm

TINY = tiny_tokenizer(template=None)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def lm() -> LoadedLM:
    return wrap_lm(tiny_llama(TINY), TINY, name="tiny")


def rows(count: int = 9) -> list[Any]:
    return [
        make_row({"id": f"r{n}", "prompt": f"{n} " * (n + 1), "completion": "so " * (n % 3 + 1)})
        for n in range(count)
    ]


def states(lm: LoadedLM, ids: Any) -> torch.Tensor:
    model: Any = lm.model
    with torch.no_grad():
        found: torch.Tensor = model.model(input_ids=torch.tensor([list(ids)])).last_hidden_state
    return found[0]


def test_the_states_of_the_tokens_asked_for_are_pooled(lm: LoadedLM) -> None:
    given = rows()
    renderer = Renderer(lm)
    whole = [states(lm, renderer.encode(row).ids) for row in given]
    prompts = [len(renderer.prompt_ids(row)) for row in given]
    expected = {
        "all": [one[1:].mean(0) for one in whole],
        "answer": [one[n:].mean(0) for one, n in zip(whole, prompts, strict=True)],
        "prompt": [one[1:n].mean(0) for one, n in zip(whole, prompts, strict=True)],
    }
    for over, vectors in expected.items():
        told, found = embed_rows(lm, given, over=over, tokens_per_batch=64)  # type: ignore[arg-type]
        assert told.ids == [row.id for row in given]
        np.testing.assert_allclose(found, torch.stack(vectors).numpy(), atol=1e-5)
    _, found = embed_rows(lm, given, pooling="last")
    np.testing.assert_allclose(found, torch.stack([one[-1] for one in whole]).numpy(), atol=1e-5)


def test_by_hand_on_one_hot_states() -> None:
    lm = bigram_lm(torch.zeros(6, 6))  # the state of a word is its unit vector times root six
    _, (found,) = embed_rows(lm, [make_row({"prompt": "a b", "completion": "b"})])
    np.testing.assert_allclose(found / 6**0.5, [1 / 3, 0, 0, 2 / 3, 0, 0], atol=1e-5)


def test_what_cannot_be_embedded_is_told_with_its_line(lm: LoadedLM) -> None:
    given: list[StudentRow | BadRow] = [
        make_row({"id": "fine", "text": "a text"}, line=1),
        BadRow(2, "not JSON"),
        make_row({"id": "open", "prompt": "and now?"}, line=3),
        make_row({"id": "empty", "prompt": "x", "completion": ""}, line=4),
    ]
    told, found = embed_rows(lm, given)
    assert (told.ids, len(found)) == (["fine", "open"], 2)
    assert told.left_out == [BadRow(2, "not JSON"), BadRow(4, "empty answer")]
    told, gradients = embed_gradients(lm, given)
    assert (told.ids, len(gradients)) == (["fine"], 1)
    assert [bad.line for bad in told.left_out] == [2, 3, 4]


def test_no_rows_have_no_vectors(lm: LoadedLM) -> None:
    told, found = embed_rows(lm, [])
    assert (told.ids, found.shape) == ([], (0, 64))
