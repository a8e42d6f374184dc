"""How a model is asked: the likelihood of choices, generation in batches, or an endpoint."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from metasynth.errors import ModelCallError
from metasynth.lm.batches import Encoded
from metasynth.lm.engine.loop import BatchEngine
from metasynth.lm.engine.requests import GenerationRequest, GenerationSettings
from metasynth.lm.engine.stream import answers_in_order
from metasynth.lm.load import LoadedLM
from metasynth.lm.logprobs import Places, log_probabilities
from metasynth.randomness import derive_seed

from .prefix import shared_prefix
from .prompts import ChoicePrompts, Prompt

if TYPE_CHECKING:
    import torch

OnAnswer = Callable[[int], object]
"""Told how many rows are done; what it raises ends the work."""

FAILURES = 3  # calls that fail before any has been answered: then the endpoint is at fault
_MOST_TOKENS = 512  # different last tokens, up to which choices are read off one forward pass


class Likelihood(NamedTuple):
    """How likely a choice is behind its question: the sum over its tokens, in nats."""

    total: float
    tokens: int

    @property
    def per_token(self) -> float:
        """The mean over the tokens."""
        return self.total / self.tokens


class ModelReply(NamedTuple):
    """What a model answers; `failure` where it could not."""

    text: str
    cut: bool = False
    failure: str = ""


class AskModel(Protocol):
    """A chat model behind an endpoint; `step` names the call."""

    async def __call__(self, prompt: str, *, step: str, max_tokens: int) -> ModelReply | str:
        """The answer, or its text alone where it is not known to have been cut.

        Raises:
            ModelCallError: There is none.
        """
        ...


def likelihoods(
    lm: LoadedLM,
    prompts: Sequence[ChoicePrompts],
    *,
    tokens_per_batch: int,
    on_answer: OnAnswer | None = None,
) -> list[list[Likelihood]]:
    """The likelihood of every choice of every question, in batches of like length.

    Where all choices are single tokens (yes and no, letters), a question is read once for all of
    them; else once for each.
    """
    if not prompts:
        return []
    last = {tail[-1] for prompt in prompts for tail in prompt.tails}
    is_short = all(len(tail) == 1 for prompt in prompts for tail in prompt.tails)
    if is_short and len(last) <= _MOST_TOKENS:
        return list(_at_the_end(lm, prompts, sorted(last), tokens_per_batch, on_answer))
    return list(_one_by_one(lm, prompts, tokens_per_batch, on_answer))


def _at_the_end(
    lm: LoadedLM,
    prompts: Sequence[ChoicePrompts],
    wanted: list[int],
    tokens_per_batch: int,
    on_answer: OnAnswer | None,
) -> Iterator[list[Likelihood]]:
    place_of = {token: place for place, token in enumerate(wanted)}

    def reduce(places: Places) -> "dict[str, torch.Tensor]":
        chosen = places.logits[:, wanted]  # [places, wanted]
        return {"log": chosen - places.logits.logsumexp(-1, keepdim=True)}

    encoded = (_encoded(prompt.before, prompt.tails[0]) for prompt in prompts)
    scored = log_probabilities(lm, encoded, reduce=reduce, tokens_per_batch=tokens_per_batch)
    for done, (prompt, statistics) in enumerate(zip(prompts, scored, strict=True), start=1):
        values = statistics["log"][0].tolist()
        yield [Likelihood(values[place_of[tail[-1]]], 1) for tail in prompt.tails]
        if on_answer is not None:
            on_answer(done)


def _one_by_one(
    lm: LoadedLM,
    prompts: Sequence[ChoicePrompts],
    tokens_per_batch: int,
    on_answer: OnAnswer | None,
) -> Iterator[list[Likelihood]]:
    def reduce(places: Places) -> "dict[str, torch.Tensor]":
        logs = places.logits.gather(1, places.targets[:, None])[:, 0]
        return {"log": logs - places.logits.logsumexp(-1)}

    encoded = (_encoded(prompt.before, tail) for prompt in prompts for tail in prompt.tails)
    scored = log_probabilities(lm, encoded, reduce=reduce, tokens_per_batch=tokens_per_batch)
    for done, prompt in enumerate(prompts, start=1):
        logs = [next(scored)["log"].double() for _ in prompt.tails]
        yield [Likelihood(float(log.sum()), len(log)) for log in logs]
        if on_answer is not None:
            on_answer(done)


def _encoded(before: Sequence[int], tail: Sequence[int]) -> Encoded:
    return Encoded([*before, *tail], [False] * len(before) + [True] * len(tail))


def generate_replies(
    lm: LoadedLM,
    prompts: Sequence[Prompt],
    *,
    stop: tuple[str, ...],
    temperature: float,
    seed: int,
    max_batch: int,
    on_answer: OnAnswer | None = None,
) -> list[ModelReply]:
    """What the model says to each question; 0 as temperature is greedy.

    The examples that questions share are read once: their keys and values serve all of them.
    """
    shared = shared_prefix(lm, [prompt.ids for prompt in prompts])
    begin = () if shared is None else shared.ids
    # those of like length are read together, which spares padding
    order = sorted(range(len(prompts)), key=lambda prompt: -len(prompts[prompt].ids))

    def requests() -> Iterator[GenerationRequest]:
        for number in order:
            settings = GenerationSettings(
                max_new_tokens=prompts[number].room,
                temperature=temperature,
                seed=derive_seed(seed, "task answer", number),
                stop=stop,
            )
            ids = list(prompts[number].ids)
            if shared is not None and len(ids) > len(begin) and tuple(ids[: len(begin)]) == begin:
                yield GenerationRequest(ids[len(begin) :], settings, prefix=shared.prefix)
            else:
                yield GenerationRequest(ids, settings)

    replies: dict[int, ModelReply] = {}
    engine = BatchEngine(lm, max_batch=max_batch)
    try:
        for number, answer in zip(order, answers_in_order(engine, requests()), strict=True):
            replies[number] = ModelReply(answer.text, cut=answer.finish_reason == "length")
            if on_answer is not None:
                on_answer(len(replies))
    finally:
        engine.close()
    return [replies[number] for number in range(len(prompts))]


def ask_endpoint(
    ask: AskModel,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    concurrency: int,
    on_answer: OnAnswer | None = None,
) -> list[ModelReply]:
    """What a chat model says to each question; a question that it could not answer is told.

    It starts an event loop of its own: where one runs already, call it in a thread.

    Raises:
        ModelCallError: The first calls failed, and none was answered.
    """
    return asyncio.run(_ask_all(ask, prompts, max_tokens, concurrency, on_answer))


async def _ask_all(
    ask: AskModel,
    prompts: Sequence[str],
    max_tokens: int,
    concurrency: int,
    on_answer: OnAnswer | None,
) -> list[ModelReply]:
    gate = asyncio.Semaphore(concurrency)
    replies: dict[int, ModelReply] = {}

    def is_dead() -> bool:
        return len(replies) >= FAILURES and all(reply.failure for reply in replies.values())

    async def ask_one(number: int) -> None:
        async with gate:
            if is_dead():  # the one that found out tells
                return
            step = f"task {number}"
            try:
                reply = await ask(prompts[number], step=step, max_tokens=max_tokens)
                replies[number] = ModelReply(reply) if isinstance(reply, str) else reply
            except ModelCallError as error:
                replies[number] = ModelReply("", failure=f"no answer: {error.message}")
                if is_dead():
                    raise
            if on_answer is not None:
                on_answer(len(replies))

    tasks = [asyncio.ensure_future(ask_one(number)) for number in range(len(prompts))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [replies[number] for number in range(len(prompts))]
