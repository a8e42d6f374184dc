"""Answers in order from an engine whose batch stays full."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from metasynth.errors import ContextLimitError, ModelCallError
from metasynth.lm.engine.loop import BatchEngine
from metasynth.lm.engine.requests import GenerationRequest, GenerationSettings, SoftPrefix
from metasynth.lm.engine.stream import answers_in_order
from metasynth.lm.load import LoadedLM, wrap_lm
from tests.raising import raises
from tests.tiny_lm import tiny_llama, tiny_tokenizer

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


def request(seed: int, **options: Any) -> GenerationRequest:
    settings = GenerationSettings(**{"seed": seed, "max_new_tokens": 1 + 13 * seed % 40, **options})
    return GenerationRequest([9 + seed, 10], settings)


class Source:
    """Requests that note how many of them were taken."""

    def __init__(self, requests: list[GenerationRequest]) -> None:
        self.requests = iter(requests)
        self.taken = 0

    def __iter__(self) -> "Source":
        return self

    def __next__(self) -> GenerationRequest:
        asked = next(self.requests)
        self.taken += 1
        return asked


def widths(engine: BatchEngine) -> list[int]:
    """A list to which the engine adds, at each step, how many rows it decodes."""
    seen: list[int] = []
    step = engine._step

    def watched(rows: Any) -> None:
        seen.append(len(rows))
        step(rows)

    engine._step = watched  # type: ignore[method-assign]
    return seen


def test_answers_come_in_the_order_of_their_requests(engine: BatchEngine) -> None:
    requests = [request(seed) for seed in range(60)]
    expected = [engine.submit(one).result() for one in requests]
    assert list(answers_in_order(engine, requests)) == expected


def test_no_request_no_answer(engine: BatchEngine) -> None:
    assert list(answers_in_order(engine, [])) == []


def test_the_batch_is_full_until_the_last_requests_run(engine: BatchEngine) -> None:
    seen = widths(engine)
    list(answers_in_order(engine, [request(seed) for seed in range(80)]))
    last = len(seen) - 40  # steps that the longest of the last four may take
    # A row that ends with its first token, before it was decoded, leaves a gap of one step.
    assert sum(seen[:last]) / last > 3.9


def test_a_batch_is_made_the_same_way_each_time(lm: LoadedLM) -> None:
    runs = []
    for _ in range(2):
        engine = BatchEngine(lm, max_batch=3)
        seen = widths(engine)
        list(answers_in_order(engine, [request(seed) for seed in range(40)]))
        engine.close()
        runs.append(seen)
    assert runs[0] == runs[1]


def test_requests_are_taken_when_they_are_used_and_not_long_before(engine: BatchEngine) -> None:
    source = Source([request(seed) for seed in range(200)])
    answers = answers_in_order(engine, source, lead=20)
    assert source.taken == 0
    for read in range(1, 30):
        next(answers)
        assert source.taken <= read + 20
    answers.close()


def test_who_stops_early_takes_back_what_runs(engine: BatchEngine) -> None:
    source = Source([request(seed) for seed in range(200)])
    answers = answers_in_order(engine, source)
    next(answers)
    answers.close()
    taken = source.taken
    assert engine.submit(request(1)).result().completion_tokens  # the engine serves others
    assert source.taken == taken
    assert not engine._waiting


def test_an_error_of_the_source_comes_after_what_it_gave_before(engine: BatchEngine) -> None:
    def broken() -> Iterator[GenerationRequest]:
        yield request(1)
        yield request(2)
        raise ZeroDivisionError("mine")

    answers = answers_in_order(engine, broken())
    assert [next(answers), next(answers)]
    with pytest.raises(ZeroDivisionError, match="mine"):
        next(answers)


def test_an_unfit_request_reaches_the_caller(engine: BatchEngine) -> None:
    requests = [*(request(seed) for seed in range(20)), request(0, max_new_tokens=5000)]
    answers = answers_in_order(engine, requests)
    with raises(ContextLimitError, "context_limit", "5000"):
        list(answers)


def test_an_engine_that_is_closed_is_told_in_one_line(lm: LoadedLM) -> None:
    engine = BatchEngine(lm, max_batch=2)
    answers = answers_in_order(engine, [request(seed, max_new_tokens=4000) for seed in range(9)])
    closing = threading.Thread(target=engine.close)
    with raises(ModelCallError, "closed_model"):
        for number, _ in enumerate(answers):
            if number == 0:
                closing.start()
    closing.join()
    with raises(ModelCallError, "closed_model"):
        next(answers_in_order(engine, [request(1)]))


def test_two_may_read_from_one_engine(engine: BatchEngine) -> None:
    first = answers_in_order(engine, [request(seed) for seed in range(30)], lead=8)
    second = answers_in_order(engine, [request(seed) for seed in range(30)], lead=8)
    assert all(one == two for one, two in zip(first, second, strict=True))


def test_prefixes_may_be_made_while_they_are_asked_for(engine: BatchEngine) -> None:
    def made() -> Iterator[GenerationRequest]:
        for seed in range(12):
            random = torch.Generator().manual_seed(seed)
            vectors = torch.randn((3, 64), generator=random)
            settings = GenerationSettings(max_new_tokens=2 + seed)
            yield GenerationRequest((), settings, prefix=SoftPrefix(vectors))

    assert len(list(answers_in_order(engine, made()))) == 12
