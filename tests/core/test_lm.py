"""The generation engine: batching changes nothing, rows come and go, nothing hangs."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from metasynth.errors import ContextLimitError, ModelCallError, RequestError
from metasynth.lm.engine.forward import LeanLlama, pick_decoder
from metasynth.lm.engine.loop import BatchEngine
from metasynth.lm.engine.requests import Generation, GenerationRequest, GenerationSettings
from metasynth.lm.engine.sampling import SamplingPlan, sample
from metasynth.lm.load import LoadedLM, load_lm, wrap_lm
from tests.raising import raises
from tests.tiny_lm import save_tiny_lm, tiny_llama, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def lm() -> LoadedLM:
    return wrap_lm(tiny_llama(TOKENIZER), TOKENIZER, name="tiny")


@pytest.fixture
def engine(lm: LoadedLM) -> Iterator[BatchEngine]:
    engine = BatchEngine(lm, max_batch=4)
    yield engine
    engine.close()


def request(seed: int = 0, *, length: int = 8, **options: Any) -> GenerationRequest:
    prompt = [(seed * 31 + 17 * place) % 290 + 9 for place in range(length)]
    return GenerationRequest(prompt, GenerationSettings(**{"seed": seed, **options}))


class Watcher:
    """A constraint that forbids the end token and calls back at every token."""

    def __init__(self, at_token: Any = lambda count: None) -> None:
        self.count = 0
        self.at_token = at_token

    def allowed(self) -> NDArray[np.bool_]:
        allowed = np.ones(320, dtype=bool)
        allowed[TOKENIZER.eos_token_id] = False
        return allowed

    def accept(self, token: int, /) -> None:
        self.count += 1
        self.at_token(self.count)

    def is_finished(self) -> bool:
        return False


MIXED = [
    request(
        seed,
        length=3 + 7 * seed % 40,
        max_new_tokens=10 + 5 * seed % 30,
        temperature=[0.0, 0.3, 0.5][seed % 3],
        top_p=[1.0, 0.9][seed % 2],
        top_k=[0, 0, 5, 0][seed % 4],
    )
    for seed in range(24)
]


def answers(lm: LoadedLM, requests: list[GenerationRequest], max_batch: int) -> list[Generation]:
    engine = BatchEngine(lm, max_batch=max_batch)
    try:
        return [future.result() for future in [engine.submit(one) for one in requests]]
    finally:
        engine.close()


@pytest.mark.parametrize("max_batch", [2, 8, 24])
def test_a_batch_says_what_each_row_says_alone(lm: LoadedLM, max_batch: int) -> None:
    alone = answers(lm, MIXED, 1)
    assert answers(lm, MIXED, max_batch) == alone
    assert len({answer.token_ids for answer in alone}) > 20
    assert {answer.finish_reason for answer in alone} == {"stop", "length"}


def small(config: type, model: type, **more: Any) -> Any:
    torch.manual_seed(3)
    sizes = {"vocab_size": 320, "num_hidden_layers": 2, "num_attention_heads": 4}
    options = {"hidden_size": 32, "intermediate_size": 48, "eos_token_id": 1, **sizes, **more}
    return model(config(initializer_range=0.2, **options)).eval()


GPT2_SIZES: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
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
}


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_those_of_transformers(family: str) -> None:
    lm = wrap_lm(FAMILIES[family](), TOKENIZER, name=family)
    requests = [request(n, length=4 + 3 * n, max_new_tokens=20, temperature=0.0) for n in range(5)]
    for asked, answer in zip(requests, answers(lm, requests, 4), strict=True):
        prompt = torch.tensor([asked.prompt_ids])
        model: Any = lm.model
        whole = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=20,
            do_sample=False,
            pad_token_id=0,
        )
        expected = [token for token in whole[0, prompt.shape[1] :].tolist() if token != 1]
        assert list(answer.token_ids) == expected


def test_small_llamas_take_the_lean_step_and_others_do_not(lm: LoadedLM) -> None:
    assert isinstance(pick_decoder(lm, max_batch=4)[0], LeanLlama)
    biased = wrap_lm(FAMILIES["llama with biases"](), TOKENIZER, name="biased")
    assert not isinstance(pick_decoder(biased, max_batch=4)[0], LeanLlama)


def test_a_model_without_keys_and_values_is_refused() -> None:
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=320, hidden_size=16, num_hidden_layers=1, state_size=4)
    mamba: Any = MambaForCausalLM(config)
    lm = wrap_lm(mamba, TOKENIZER, name="mamba")
    with raises(RequestError, "no_cache"):
        BatchEngine(lm, max_batch=2)


def test_a_row_joins_and_leaves_while_another_runs(engine: BatchEngine) -> None:
    joined: list[Any] = []
    seen: list[bool] = []

    def submit_another(count: int) -> None:
        if count == 3:
            joined.append(engine.submit(request(7, max_new_tokens=4)))
        seen.append(bool(joined) and joined[0].done())

    watcher = Watcher(submit_another)
    running = engine.submit(
        GenerationRequest([9, 10], GenerationSettings(max_new_tokens=40), watcher)
    )
    assert running.result().completion_tokens == 40
    assert not seen[3] and seen[-1]
    assert joined[0].result() == answers(engine.lm, [request(7, max_new_tokens=4)], 1)[0]


def test_more_rows_than_slots_are_all_answered(engine: BatchEngine) -> None:
    futures = [engine.submit(request(n, max_new_tokens=3)) for n in range(50)]
    assert all(1 <= future.result().completion_tokens <= 3 for future in futures)


def test_cancelling_takes_a_row_out_of_the_batch(engine: BatchEngine) -> None:
    started = threading.Event()
    watcher = Watcher(lambda count: started.set() if count == 2 else None)
    settings = GenerationSettings(max_new_tokens=4000)
    doomed = engine.submit(GenerationRequest([9, 10], settings, watcher))
    assert started.wait(30)
    assert doomed.cancel()
    engine.submit(request(1, max_new_tokens=5)).result()
    assert watcher.count < 4000
    with pytest.raises(CancelledError):
        doomed.result()


def test_cancelling_takes_a_row_out_of_the_queue(engine: BatchEngine) -> None:
    waiting: list[Any] = []
    unused = Watcher()

    def cancel_the_waiting(count: int) -> None:
        if count == 1:
            late = GenerationRequest([9], GenerationSettings(), unused)
            waiting.append(engine.submit(late))
            waiting[0].cancel()

    watcher = Watcher(cancel_the_waiting)
    asked = GenerationRequest([9, 10], GenerationSettings(max_new_tokens=5), watcher)
    engine.submit(asked).result()
    assert waiting[0].cancelled()
    assert unused.count == 0


def test_the_error_of_a_constraint_reaches_its_caller_alone(engine: BatchEngine) -> None:
    def fail(count: int) -> None:
        if count == 3:
            raise ZeroDivisionError("mine")

    good = [engine.submit(request(n, max_new_tokens=20)) for n in range(2)]
    bad = engine.submit(GenerationRequest([9, 10], GenerationSettings(), Watcher(fail)))
    with pytest.raises(ZeroDivisionError, match="mine"):
        bad.result()
    assert all(future.result().completion_tokens for future in good)


class Breaking(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """A model that fails while it is told to."""

    broken = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.broken:
            raise RuntimeError("out of memory")
        return super().forward(*args, **kwargs)


def test_the_error_of_a_model_reaches_all_callers_and_the_engine_goes_on() -> None:
    config = tiny_llama(TOKENIZER).config
    model: Any = Breaking(config)
    engine = BatchEngine(wrap_lm(model, TOKENIZER, name="breaking"), max_batch=3)

    def break_it(count: int) -> None:
        model.broken = count == 5

    watcher = Watcher(break_it)
    asked = GenerationRequest([9, 10], GenerationSettings(max_new_tokens=50), watcher)
    futures = [engine.submit(asked), engine.submit(request(1, max_new_tokens=50))]
    with pytest.raises(RuntimeError, match="out of memory"):
        futures[0].result()
    model.broken = False
    assert engine.submit(request(2, max_new_tokens=5)).result().completion_tokens
    engine.close()


def test_what_cannot_fit_is_refused_before_anything_is_computed(engine: BatchEngine) -> None:
    with raises(ContextLimitError, "context_limit", "4000 tokens", "200 ", "4096"):
        engine.submit(request(length=4000, max_new_tokens=200))
    with pytest.raises(ValueError, match="needs a prompt"):
        engine.submit(GenerationRequest([]))
    with pytest.raises(ValueError, match="vocabulary"):
        engine.submit(GenerationRequest([320]))


def test_stop_strings_end_an_answer_and_are_cut_off(lm: LoadedLM) -> None:
    whole = answers(lm, [request(5, max_new_tokens=60, temperature=0.5)], 1)[0].text
    stop = whole[6:9]
    cut = answers(lm, [request(5, max_new_tokens=60, temperature=0.5, stop=(stop,))], 1)[0]
    assert cut.text == whole[: whole.index(stop)]
    assert cut.finish_reason == "stop"


def test_closing_cancels_what_runs_and_refuses_what_comes(lm: LoadedLM) -> None:
    engine = BatchEngine(lm, max_batch=1)
    started = threading.Event()
    watcher = Watcher(lambda count: started.set())
    running = engine.submit(
        GenerationRequest([9], GenerationSettings(max_new_tokens=4000), watcher)
    )
    waiting = engine.submit(request())
    assert started.wait(30)
    engine.close()
    assert running.cancelled() and waiting.cancelled()
    with raises(ModelCallError, "closed_model"):
        engine.submit(request())


@given(
    logits=st.lists(st.floats(-8, 8, width=32), min_size=4, max_size=40),
    forbidden=st.sets(st.integers(0, 3), max_size=3),
    uniform=st.floats(0, 1, exclude_max=True, width=32),
    top_k=st.integers(0, 6),
    top_p=st.floats(0.05, 1),
    temperature=st.sampled_from([0.0, 0.1, 1.0, 3.0]),
)
@settings(max_examples=150, deadline=None)
def test_sampling_draws_only_what_is_allowed(
    logits: list[float],
    forbidden: set[int],
    uniform: float,
    top_k: int,
    top_p: float,
    temperature: float,
) -> None:
    row = torch.tensor([logits])
    row[0, list(forbidden)] = -torch.inf
    asked = GenerationSettings(temperature=temperature, top_k=top_k, top_p=top_p)
    plan = SamplingPlan.of([asked], row.device)
    token = int(sample(row, plan, torch.tensor([[uniform]])))
    assert token not in forbidden
    scaled = row[0] / (temperature or 1)  # here two that differ by a last bit may be equal
    likelier = scaled > scaled[token]
    if top_k:
        assert int(likelier.sum()) < top_k
    before = float(torch.softmax(row[0] / (temperature or 1e-3), -1)[likelier].sum())
    assert before < top_p + 1e-4


def test_sampling_follows_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    rows = probabilities.log().repeat(4000, 1)
    random = torch.Generator().manual_seed(1)
    for options in ({}, {"top_k": 4}):
        plan = SamplingPlan.of([GenerationSettings(**options)] * 4000, rows.device)  # type: ignore[arg-type]
        drawn = sample(rows, plan, torch.rand((4000, 1), generator=random))
        assert torch.allclose(drawn.bincount(minlength=4) / 4000, probabilities, atol=0.03)


def test_a_folder_loads_as_it_was_saved(tmp_path: Path, lm: LoadedLM) -> None:
    loaded = load_lm(save_tiny_lm(tmp_path))
    assert loaded.context_length == 4096
    assert loaded.end_token_ids == {1}
    assert answers(loaded, MIXED[:3], 1) == answers(lm, MIXED[:3], 1)
    assert not any(weight.requires_grad for weight in loaded.model.parameters())


def test_a_wrong_source_is_told_in_one_line(tmp_path: Path) -> None:
    with raises(RequestError, "no_model"):
        load_lm("./nowhere")
    with raises(RequestError, "no_model", "config.json"):
        load_lm(tmp_path)
    with raises(RequestError, "unknown_device", "'gpux'"):
        load_lm(save_tiny_lm(tmp_path), device="gpux")
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with raises(RequestError, "no_safetensors"):
        load_lm(tmp_path)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    save_tiny_lm(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    foreign = {
        "model_type": "foreign",
        "auto_map": {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config | foreign))
    (tmp_path / "code.py").write_text("raise SystemExit('executed')")
    with raises(RequestError, "code_not_allowed"):
        load_lm(tmp_path)


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with raises(RequestError, "bad_model", "'nobody/nothing'"):
        load_lm("nobody/nothing")
