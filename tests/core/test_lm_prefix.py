"""Soft prefixes in the engine: read once, shared, and what follows is what transformers says."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from metasynth.errors import ContextLimitError
from metasynth.lm.engine import prefix as lm_prefix
from metasynth.lm.engine.loop import BatchEngine
from metasynth.lm.engine.prefix import PrefixCache
from metasynth.lm.engine.requests import (
    Generation,
    GenerationRequest,
    GenerationSettings,
    SoftPrefix,
)
from metasynth.lm.load import LoadedLM, wrap_lm
from tests.raising import raises
from tests.tiny_lm import tiny_llama, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def lm() -> LoadedLM:
    return wrap_lm(tiny_llama(TOKENIZER), TOKENIZER, name="tiny")


def small(config: type, model: type, **more: Any) -> Any:
    torch.manual_seed(3)
    sizes = {"vocab_size": 320, "num_hidden_layers": 2, "num_attention_heads": 4}
    options = {"hidden_size": 64, "intermediate_size": 48, "eos_token_id": 1, **sizes, **more}
    return model(config(initializer_range=0.2, **options)).eval()


GEMMA: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 16, "sliding_window": 6}
GPT2_SIZES: dict[str, Any] = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}
FAMILIES: dict[str, Callable[[], Any]] = {
    "llama": lambda: tiny_llama(TOKENIZER),
    "llama with biases": lambda: small(LlamaConfig, LlamaForCausalLM, attention_bias=True),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=320, eos_token_id=1, bos_token_id=1, **GPT2_SIZES)
    ),
    "mistral": lambda: small(
        MistralConfig, MistralForCausalLM, num_key_value_heads=2, sliding_window=6
    ),
    "qwen3": lambda: small(Qwen3Config, Qwen3ForCausalLM, num_key_value_heads=2, head_dim=8),
    "gemma2": lambda: small(Gemma2Config, Gemma2ForCausalLM, **GEMMA),
    "gemma3": lambda: small(Gemma3TextConfig, Gemma3ForCausalLM, **GEMMA),
}


def prefix(seed: int = 0, *, length: int = 5, width: int = 64) -> SoftPrefix:
    random = torch.Generator().manual_seed(seed)
    return SoftPrefix(torch.randn((length, width), generator=random) * 0.3)


def ids(seed: int, length: int) -> list[int]:
    return [(seed * 31 + 17 * place) % 290 + 9 for place in range(length)]


def request(
    before: SoftPrefix | None, prompt: list[int] | None = None, **options: Any
) -> GenerationRequest:
    return GenerationRequest(prompt or [], GenerationSettings(**options), prefix=before)


def answers(lm: LoadedLM, requests: list[GenerationRequest], max_batch: int) -> list[Generation]:
    engine = BatchEngine(lm, max_batch=max_batch)
    try:
        return [future.result() for future in engine.submit_all(requests)]
    finally:
        engine.close()


def greedy_of_transformers(lm: LoadedLM, asked: GenerationRequest) -> list[int]:
    """The same by `generate`, from the prefix and the embedded prompt as one matrix."""
    model: Any = lm.model
    prompt = model.get_input_embeddings()(torch.tensor([asked.prompt_ids], dtype=torch.long))
    before = asked.prefix.embeddings[None] if asked.prefix else prompt[:, :0]
    embeddings = torch.cat([before.to(model.dtype), prompt], 1)
    drawn = model.generate(
        inputs_embeds=embeddings,
        attention_mask=torch.ones(embeddings.shape[:2], dtype=torch.long),
        max_new_tokens=asked.settings.max_new_tokens,
        do_sample=False,
        eos_token_id=1,
        pad_token_id=0,
    )[0]
    tokens: list[int] = drawn.tolist()
    return tokens[: tokens.index(1)] if 1 in tokens else tokens


@pytest.mark.parametrize("max_batch", [1, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_those_of_transformers(family: str, max_batch: int) -> None:
    """Alone, with a prompt behind them, of several lengths, and beside rows without a prefix."""
    lm = wrap_lm(FAMILIES[family](), TOKENIZER, name=family)
    options: dict[str, Any] = {"max_new_tokens": 16, "temperature": 0.0}
    shared = prefix(3, length=9)
    requests = [
        request(shared, **options),
        request(prefix(1, length=2), **options),
        request(None, ids(2, 7), **options),
        request(prefix(4, length=8), ids(1, 3), **options),
        request(shared, ids(5, 3), **options),
        request(shared, ids(6, 1), **options),
        request(shared, **options),
    ]
    expected = [greedy_of_transformers(lm, one) for one in requests]
    found = answers(lm, requests, max_batch)
    assert [list(answer.token_ids) for answer in found] == expected
    assert len({tuple(one) for one in expected}) > 4
    assert [answer.prompt_tokens for answer in found] == [9, 2, 7, 11, 12, 10, 9]


def test_embedded_tokens_as_a_prefix_are_the_prompt_itself(lm: LoadedLM) -> None:
    embed: Any = lm.model.get_input_embeddings()
    options: dict[str, Any] = {"max_new_tokens": 12, "temperature": 0.7, "seed": 4}
    words = ids(3, 9)
    asked = [
        request(None, words, **options),
        request(SoftPrefix(embed(torch.tensor(words))), **options),
        request(SoftPrefix(embed(torch.tensor(words[:4]))), words[4:], **options),
    ]
    plain, soft, both = answers(lm, asked, 4)
    assert plain == soft == both


MIXED = [
    request(
        [None, prefix(1), prefix(2, length=11)][seed % 3],
        ids(seed, seed % 4 + (seed % 3 == 0)),
        seed=seed,
        max_new_tokens=4 + 5 * seed % 30,
        temperature=[0.0, 0.4][seed % 2],
    )
    for seed in range(24)
]


@pytest.mark.parametrize("max_batch", [2, 5, 24])
def test_a_batch_says_what_each_row_says_alone(lm: LoadedLM, max_batch: int) -> None:
    assert answers(lm, MIXED, max_batch) == answers(lm, MIXED, 1)


def test_alone_answers_repeat_whether_the_prefix_is_kept_or_read_again(lm: LoadedLM) -> None:
    first, second = prefix(1), prefix(2, length=7)
    options: dict[str, Any] = {"temperature": 0.9, "max_new_tokens": 9}
    asked = [request(one, seed=n, **options) for n in range(4) for one in (first, second)]
    drawn: list[list[list[float]]] = []
    for tokens in (0, 100):
        engine = BatchEngine(lm, max_batch=1, prefix_tokens=tokens)
        seen = _watch_logits(engine)
        for future in engine.submit_all(asked):
            future.result()
        engine.close()
        drawn.append(seen)
    # not to the last bit: a matrix product may depend on where its operands lie in memory
    for again, kept in zip(*drawn, strict=True):
        torch.testing.assert_close(torch.tensor(again), torch.tensor(kept), rtol=0, atol=1e-5)
    assert len(drawn[0]) > 40


def _watch_logits(engine: BatchEngine) -> list[list[float]]:
    seen: list[list[float]] = []
    draw = engine._draw

    def watched(rows: Any, logits: torch.Tensor, plan: Any) -> None:
        seen.append(logits.flatten().tolist())
        draw(rows, logits, plan)

    engine._draw = watched  # type: ignore[method-assign]
    return seen


class Counting(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """A Llama that notes the vectors it is given: rows and columns of each forward pass."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.passes: list[tuple[int, int]] = []

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if (vectors := kwargs.get("inputs_embeds")) is not None:
            self.passes.append(tuple(vectors.shape[:2]))
        return super().forward(*args, **kwargs)


@pytest.fixture
def counting() -> Counting:
    config = tiny_llama(TOKENIZER).config
    torch.manual_seed(1)
    return Counting(config)


def passes(model: Counting, requests: list[GenerationRequest], **options: Any) -> Any:
    """The forward passes over prefixes that answering these requests took."""
    engine = BatchEngine(wrap_lm(model, TOKENIZER, name="counting"), **options)
    model.passes.clear()
    try:
        for future in engine.submit_all(requests):
            future.result()
    finally:
        engine.close()
    return model.passes


def test_one_prefix_is_read_once_for_all_rows(counting: Counting) -> None:
    shared = prefix(length=6)
    requests = [request(shared, ids(n, n % 3), seed=n, max_new_tokens=3 + n) for n in range(12)]
    assert passes(counting, requests, max_batch=3) == [(1, 6)]


def test_missing_prefixes_are_read_together_with_those_that_come_next(counting: Counting) -> None:
    requests = [
        request(prefix(n, length=4 + n % 2), seed=n, max_new_tokens=2 + n) for n in range(12)
    ]
    assert passes(counting, requests, max_batch=4) == [(4, 5)] * 3


def test_an_equal_prefix_is_another_one(counting: Counting) -> None:
    requests = [request(prefix(), max_new_tokens=3), request(prefix(), max_new_tokens=3)]
    assert passes(counting, requests, max_batch=1) == [(1, 5), (1, 5)]


def test_what_is_kept_is_bounded_in_tokens_and_the_oldest_goes_first(
    counting: Counting,
) -> None:
    lm = wrap_lm(counting, TOKENIZER, name="counting")
    cache = PrefixCache(lm, together=4, max_tokens=12)
    first, second, third = (prefix(n, length=5) for n in range(3))
    cache.read([first])
    cache.read([second])
    cache.read([first])  # used again: the second is now the oldest
    assert counting.passes == [(1, 5), (1, 5)]
    assert cache.read([third]).keys() == {third}
    cache.read([first])
    assert len(counting.passes) == 3
    cache.read([second])
    assert len(counting.passes) == 4


def test_a_prefix_longer_than_what_is_kept_is_read_each_time(counting: Counting) -> None:
    long, short = prefix(length=9), prefix(1, length=3)
    requests = [request(one, max_new_tokens=2) for one in (long, short, long, short)]
    assert passes(counting, requests, max_batch=1, prefix_tokens=8) == [
        *[(1, 9), (1, 3)] * 2,
    ]


def test_no_more_is_read_ahead_than_is_kept(counting: Counting) -> None:
    cache = PrefixCache(wrap_lm(counting, TOKENIZER, name="counting"), together=8, max_tokens=12)
    ahead = [prefix(n, length=4) for n in range(1, 6)]
    cache.read([prefix(length=4)], ahead=ahead)
    cache.read(ahead[:2])
    assert counting.passes == [(3, 4)]


def test_a_pass_over_prefixes_is_bounded(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lm_prefix, "PREFILL_TOKENS", 11)
    cache = PrefixCache(wrap_lm(counting, TOKENIZER, name="counting"), together=8, max_tokens=99)
    cache.read([prefix(n, length=n) for n in (2, 3, 5, 4, 20)])
    assert counting.passes == [(2, 3), (2, 5), (1, 20)]


def test_a_prefix_takes_any_float_and_the_models_own_type() -> None:
    model = tiny_llama(TOKENIZER).to(torch.bfloat16)
    lm = wrap_lm(model, TOKENIZER, name="half")
    wide = SoftPrefix(prefix().embeddings.double().requires_grad_())
    asked = [request(one, max_new_tokens=6, temperature=0.0) for one in (wide, prefix())]
    ours, theirs = answers(lm, asked, 2)
    assert ours == theirs


def test_what_cannot_be_read_is_refused_before_anything_is_computed(lm: LoadedLM) -> None:
    engine = BatchEngine(lm, max_batch=2)
    with raises(ContextLimitError, "context_limit", "4000 tokens", "200 ", "4096"):
        engine.submit(request(prefix(length=3990), ids(1, 10), max_new_tokens=200))
    with pytest.raises(ValueError, match=r"\[soft tokens, 64\] for tiny, not \(5, 32\)"):
        engine.submit(request(prefix(width=32)))
    with pytest.raises(ValueError, match=r"not \(2, 5, 64\)"):
        engine.submit(request(SoftPrefix(torch.zeros(2, 5, 64))))
    with pytest.raises(ValueError, match="needs a prompt"):
        engine.submit(request(SoftPrefix(torch.zeros(0, 64))))
    with pytest.raises(ValueError, match="floating-point"):
        engine.submit(request(SoftPrefix(torch.zeros(2, 64, dtype=torch.long))))
    with pytest.raises(ValueError, match="no number"):
        engine.submit(request(SoftPrefix(torch.full((2, 64), math.nan))))
    assert engine.submit(request(prefix(), max_new_tokens=2)).result().completion_tokens
    engine.close()


def test_nothing_is_queued_where_one_request_is_unfit(lm: LoadedLM) -> None:
    engine = BatchEngine(lm, max_batch=1)
    ended: list[Any] = []
    with pytest.raises(ValueError, match="vocabulary"):
        engine.submit_all([request(None, [9]), request(None, [320])], done=ended.append)
    future = engine.submit_all([request(None, [9], max_new_tokens=2)], done=ended.append)[0]
    future.result()
    engine.close()
    assert ended == [future]


def test_draws_after_a_prefix_follow_the_models_distribution() -> None:
    """Pairs of tokens against the probabilities that plain forward passes give (chi-square)."""
    vocabulary, rows = 6, 4000
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.3,
        eos_token_id=None,
        bos_token_id=None,
    )
    model: Any = LlamaForCausalLM(config)
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    lm = wrap_lm(model, tokenizer, name="six words")
    before, warmth = prefix(length=3, width=16), 1.3
    options: dict[str, Any] = {"max_new_tokens": 2, "temperature": warmth}
    requests = [request(before, seed=seed, **options) for seed in range(rows)]
    counts = torch.zeros(vocabulary, vocabulary)
    for answer in answers(lm, requests, 64):
        counts[answer.token_ids] += 1
    expected = _pair_probabilities(model, before.embeddings, warmth) * rows
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = vocabulary**2 - 1
    assert expected.min() > 5  # so that the statistic is distributed as chi-square
    assert statistic < freedom + 4 * math.sqrt(2 * freedom)  # beyond: about one in 5,000


@torch.no_grad()
def _pair_probabilities(model: Any, before: torch.Tensor, warmth: float) -> torch.Tensor:
    """[first token, second token], by a plain loop over `inputs_embeds`."""
    first = (model(inputs_embeds=before[None]).logits[0, -1] / warmth).softmax(-1)
    second = []
    for token in range(len(first)):
        following = model.get_input_embeddings()(torch.tensor([token]))
        logits = model(inputs_embeds=torch.cat([before, following])[None]).logits[0, -1]
        second.append((logits / warmth).softmax(-1))
    pairs: torch.Tensor = first[:, None] * torch.stack(second)
    return pairs
