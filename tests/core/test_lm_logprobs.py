"""Statistics of given texts: right, in order, whatever shares the batch, with little padding."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from metasynth.errors import ContextLimitError
from metasynth.lm import batches as lm_batches
from metasynth.lm import logprobs as lm_logprobs
from metasynth.lm.batches import Encoded, token_batches
from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.lm.logprobs import Places, Statistics, log_probabilities
from tests.raising import raises
from tests.tiny_lm import tiny_llama, tiny_tokenizer
from tests.toy_student import bigram_lm

TOKENIZER = tiny_tokenizer()
SMALL: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "initializer_range": 0.2,
    "max_position_embeddings": 128,
}
MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: tiny_llama(TOKENIZER),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=320, n_embd=32, n_layer=2, n_head=2, n_positions=128)
    ),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SMALL)),
    "gemma2, capped": lambda: Gemma2ForCausalLM(
        Gemma2Config(**SMALL, sliding_window=4, final_logit_softcapping=2.0)
    ),
    "mistral, sliding": lambda: MistralForCausalLM(MistralConfig(**SMALL, sliding_window=4)),
    "mamba": lambda: MambaForCausalLM(
        MambaConfig(vocab_size=320, hidden_size=32, num_hidden_layers=2, state_size=4)
    ),
}


pytestmark = pytest.mark.usefixtures("one_thread")


def nll(places: Places) -> Statistics:
    logs = places.logits.log_softmax(-1)
    return {"nll": -logs.gather(-1, places.targets[:, None])[:, 0]}


def texts(count: int, *, longest: int = 40) -> list[Encoded]:
    made = []
    for number in range(count):
        length = 2 + (number * 7) % (longest - 1)
        ids = [(number * 31 + 17 * place) % 290 + 9 for place in range(length)]
        first = 1 + (number * 5) % (length - 1)
        made.append(Encoded(ids, [place >= first for place in range(length)]))
    return made


def losses(lm: LoadedLM, rows: list[Encoded], **options: Any) -> list[torch.Tensor]:
    return [one["nll"] for one in log_probabilities(lm, iter(rows), reduce=nll, **options)]


@pytest.fixture(scope="module", params=MODELS)
def lm(request: pytest.FixtureRequest) -> LoadedLM:
    torch.manual_seed(0)
    return wrap_lm(MODELS[request.param](), TOKENIZER, name=request.param)


def test_a_table_of_bigrams_gives_its_own_logarithms() -> None:
    table = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    row = Encoded([2, 4, 3, 0], [False, False, True, True])
    (found,) = losses(bigram_lm(table), [row])
    logs = table.log_softmax(-1)
    torch.testing.assert_close(found, torch.stack([-logs[4, 3], -logs[3, 0]]))


def test_the_numbers_are_those_of_the_model_alone_in_the_order_given(lm: LoadedLM) -> None:
    rows = texts(23)
    found = losses(lm, rows, tokens_per_batch=64)
    assert len(found) == len(rows)
    for row, one in zip(rows, found, strict=True):
        model: Any = lm.model
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row.ids])).logits[0].float()
        logs = logits.log_softmax(-1)
        expected = [-logs[n - 1, row.ids[n]] for n in range(len(row.ids)) if row.is_target[n]]
        torch.testing.assert_close(one, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_alone_or_in_company_a_text_has_the_same_numbers(lm: LoadedLM) -> None:
    rows = texts(16)
    together = losses(lm, rows, tokens_per_batch=4096)
    for row, one in zip(rows, together, strict=True):
        torch.testing.assert_close(losses(lm, [row])[0], one, atol=1e-5, rtol=1e-5)


def test_chunks_of_logits_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = wrap_lm(tiny_llama(TOKENIZER), TOKENIZER, name="tiny")
    before = losses(lm, texts(9))
    monkeypatch.setattr(lm_logprobs, "LOGITS_PER_CHUNK", 700)
    monkeypatch.setattr(lm_batches, "LOGITS_PER_BATCH", 3000)
    for one, other in zip(before, losses(lm, texts(9)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_file_of_any_length_is_read_a_window_at_a_time() -> None:
    lm = bigram_lm(torch.zeros(6, 6))
    taken = ahead = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield Encoded([2, 3, 4, 0], [False, False, True, True])

    found = log_probabilities(lm, endless(), reduce=nll, tokens_per_batch=16)
    for given_back, _ in enumerate(found):
        ahead = max(ahead, taken - given_back)
        if given_back == 500:
            break
    assert ahead == lm_batches.WINDOW_BATCHES * 16 / 4


def test_the_hook_is_gone_afterwards_and_no_gradient_is_kept() -> None:
    lm = wrap_lm(tiny_llama(TOKENIZER), TOKENIZER, name="tiny")
    (found,) = losses(lm, texts(1))
    assert not found.requires_grad
    head: Any = lm.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    assert not head._forward_pre_hooks


def test_a_text_beyond_the_context_is_an_error() -> None:
    lm = bigram_lm(torch.zeros(6, 6), context_length=8)
    with raises(ContextLimitError, "context_limit", "9 tokens", "8 "):
        losses(lm, [Encoded([2] * 9, [False] + [True] * 8)])


@pytest.mark.parametrize(
    ("ids", "targets"), [([1, 2], [True, True]), ([1, 2], [False, False]), ([1], [False, True])]
)
def test_a_sequence_needs_a_target_that_something_stands_before(
    ids: list[int], targets: list[bool]
) -> None:
    with pytest.raises(ValueError, match="sequence needs"):
        Encoded(ids, targets)


def test_it_tells_how_many_tokens_it_has_read() -> None:
    told: list[int] = []
    rows = texts(20)
    losses(bigram_like(), rows, tokens_per_batch=100, on_batch=told.append)
    assert sum(told) == sum(len(row.ids) for row in rows)


def bigram_like() -> LoadedLM:
    return wrap_lm(tiny_llama(TOKENIZER), TOKENIZER, name="tiny")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 300), max_size=200),
    st.integers(64, 2000),
    st.one_of(st.none(), st.integers(1, 9)),
)
def test_batches_hold_every_row_once_and_hardly_any_padding(
    lengths: list[int], tokens: int, at_most: int | None
) -> None:
    batches = token_batches(lengths, tokens, at_most=at_most)
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        width = max(lengths[number] for number in batch)
        padded = width * len(batch)
        assert len(batch) == 1 or padded <= tokens
        assert padded - sum(lengths[number] for number in batch) < 0.05 * padded
        assert at_most is None or len(batch) <= at_most
