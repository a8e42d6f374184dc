"""`learnable`: what it computes, and that it tells the hard from the unlearnable."""

import asyncio
import math
import random
from statistics import fmean
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from metasynth.config.student import ScoringConfig
from metasynth.errors import RequestError
from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.student.rendering import Renderer
from metasynth.student.rows import StudentRow, make_row
from metasynth.student.scoring.criteria import learnable as module
from metasynth.student.scoring.criteria.learnable import LearnableScale
from metasynth.student.scoring.low_rank import LowRankStep
from metasynth.student.scoring.measures import Scored
from metasynth.student.scoring.scores import score_rows
from tests.raising import raises
from tests.tiny_lm import tiny_llama, tiny_tokenizer

TOKENIZER = tiny_tokenizer(template=None)
CONFIG = ScoringConfig(criterion="learnable", tokens_per_batch=1024)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIAL_STEPS", 2)
    monkeypatch.setattr(module, "STEPS", 24)
    monkeypatch.setattr(module, "LEARNING_RATES", (1e-3, 1e-2))


@pytest.fixture(scope="module")
def lm() -> LoadedLM:
    return wrap_lm(tiny_llama(TOKENIZER, hidden_size=32), TOKENIZER, name="tiny")


def rows(count: int = 60) -> list[StudentRow]:
    """Half have an answer that follows from the prompt's first letter, half one that is drawn."""
    draw = random.Random(0)
    made = []
    for number in range(count):
        letters = "".join(draw.choice("stuv") for _ in range(3))
        noise = number % 2
        answer = draw.choice("abcdefgh") if noise else "abcdefgh"["stuv".index(letters[0])]
        name = "noise" if noise else "skill"
        prompt = f"{name} {letters}"
        made.append(make_row({"id": f"{name}-{number}", "prompt": prompt, "completion": answer}))
    return made


def scored(lm: LoadedLM, given: Any, *, seed: int = 0) -> list[Scored]:
    async def collected() -> list[Scored]:
        return [one async for one in score_rows(lm, given, CONFIG, seed=seed)]

    return asyncio.run(collected())


def by_hand(lm: LoadedLM, row: StudentRow) -> float:
    """The geometric mean of the probabilities of the answer's tokens."""
    encoded = Renderer(lm).encode(row)
    model: Any = lm.model
    with torch.no_grad():
        logs = model(input_ids=torch.tensor([encoded.ids])).logits[0].log_softmax(-1)
    chosen = [n for n, flag in enumerate(encoded.is_target) if flag]
    return math.exp(fmean(float(logs[n - 1, encoded.ids[n]]) for n in chosen))


def test_the_score_is_the_growth_of_the_answers_probability(lm: LoadedLM) -> None:
    given = rows()
    scale = LearnableScale(lm, given, renderer=Renderer(lm), seed=0, tokens_per_batch=1024)
    found = scored(lm, given)
    for row, one in [*zip(given, found, strict=True)][:10]:
        before = by_hand(lm, row)
        with scale.trained_without(row.id):
            after = by_hand(lm, row)
        assert one.score == pytest.approx(after - before, abs=1e-5)
        assert one.detail["loss"] == pytest.approx(-math.log(before), abs=1e-4)
        assert one.detail["loss_after"] == pytest.approx(-math.log(after), abs=1e-4)


def test_the_student_itself_is_left_as_it_was(lm: LoadedLM) -> None:
    model: Any = lm.model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    scored(lm, rows())
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(weight.requires_grad or weight.grad is not None for weight in model.parameters())
    assert not any(part._forward_hooks for part in model.modules())


def test_it_tells_the_hard_from_the_unlearnable(
    lm: LoadedLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEPS", 60)
    found = scored(lm, rows(240))
    means = [
        fmean(one.score for one in found if one.score is not None and one.row_id.startswith(name))
        for name in ("skill", "noise")
    ]
    assert means[0] > means[1] + 0.02
    best = sorted(found, key=lambda one: -(one.score or 0))[:60]
    assert sum(one.row_id.startswith("noise") for one in best) < 6  # by chance it would be 30


def test_a_row_never_helps_to_score_itself(lm: LoadedLM) -> None:
    """Another answer to a row changes the scores of the other half alone."""
    given = rows()
    changed = list(given)
    changed[0] = make_row({"id": given[0].id, "prompt": "skill ttt", "completion": "zzzz"})
    before, after = scored(lm, given), scored(lm, changed)
    half = module.half_of(given[0].id, 0)
    pairs = list(zip(before, after, strict=True))[1:]
    same = {
        module.half_of(one.row_id, 0)
        for one, other in pairs
        if one.score == pytest.approx(other.score, abs=1e-7)
    }
    assert same == {half}


def test_the_order_of_the_rows_changes_nothing(lm: LoadedLM) -> None:
    given = rows()
    first = {one.row_id: one.score for one in scored(lm, given)}
    again = {one.row_id: one.score for one in scored(lm, given[::-1])}
    assert first == pytest.approx(again, abs=1e-5)
    assert first != pytest.approx({one.row_id: one.score for one in scored(lm, given, seed=1)})


def test_it_asks_for_rows_that_can_be_read_twice_and_for_enough_of_them(lm: LoadedLM) -> None:
    with raises(RequestError, "rows_read_twice"):
        scored(lm, iter(rows()))
    with raises(RequestError, "not_enough_rows", "8 "):
        scored(lm, rows(12))


def test_a_pool_where_nothing_carries_over_is_warned_of(
    lm: LoadedLM, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEARNING_RATES", (10.0,))
    found = scored(lm, rows())
    assert "the scores say little" in caplog.text
    assert all(one.score is None or one.score < 0 for one in found)


def test_a_step_reaches_gpt2s_layers_too() -> None:
    model: Any = GPT2LMHeadModel(
        GPT2Config(vocab_size=320, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    )
    lm = wrap_lm(model, TOKENIZER, name="gpt2")
    encoded = [Renderer(lm).encode(row) for row in rows(4)]
    step = LowRankStep(lm, seed=0)
    optimizer = step.optimizer(1e-2)
    ids = torch.tensor([encoded[0].ids])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        with step.applied():
            torch.testing.assert_close(model(input_ids=ids).logits, before)  # B is zero
        step.train_on(encoded, optimizer, tokens_per_batch=512)
        with step.applied():
            assert not torch.allclose(model(input_ids=ids).logits, before, atol=1e-4)
        torch.testing.assert_close(model(input_ids=ids).logits, before)
