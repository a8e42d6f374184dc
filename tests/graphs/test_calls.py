"""Calls of a run over HTTP: what an empty answer costs, and that nothing is paid for twice."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from metasynth.agents.models.openai.chat import openai_chat
from metasynth.config.run import BudgetConfig
from metasynth.errors import EmptyAnswerError, RefusedPromptError, RunStoppedError
from metasynth.graphs.run.budget import Budget
from metasynth.graphs.run.calls import Caller
from metasynth.graphs.run.health import GONE, HOPELESS, Health
from metasynth.graphs.run.voices import Voice
from metasynth.memory.ledger import CallKey, CallTag, Ledger
from metasynth.memory.messages import payload_hash
from metasynth.memory.recorder import CallRecorder
from metasynth.randomness import derive_seed
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer, scripted
from tests.raising import raises

EMPTY = Reply("")
CUT = Reply("", finish_reason="length")


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


class Run:
    """The calls of one start of a run."""

    def __init__(self, server: OpenAIServer, ledger: Ledger) -> None:
        self.voice = Voice("openai:m", openai_chat("m", base_url=server.base_url, max_tokens=200))
        budget = Budget(BudgetConfig(), ledger.totals)
        self.caller = Caller(ledger, CallRecorder(ledger), budget, random_seed=0)

    async def ask(self, step: str = "1", agent: str = "summarizer", **more: Any) -> AIMessage:
        return await self.caller.call(
            self.voice,
            [HumanMessage("hello")],
            chain="c",
            step=step,
            agent=agent,
            record_id="r-1",
            **more,
        )


@contextmanager
def started(server: OpenAIServer, folder: Path) -> Iterator[Run]:
    with Ledger(folder / "ledger.sqlite") as ledger:
        yield Run(server, ledger)


async def test_an_empty_answer_is_followed_by_one_with_another_seed(
    server: OpenAIServer, tmp_path: Path
) -> None:
    server.responder = scripted(EMPTY, Reply(" \n"), "at last")
    with started(server, tmp_path) as run:
        assert (await run.ask()).content == "at last"
    assert len({request["seed"] for request in server.requests}) == 3
    with Ledger(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        calls = ledger.calls_of("r-1")
    assert [call.key.attempt for call in calls] == [0, 1, 2]
    assert [call.seed for call in calls] == [request["seed"] for request in server.requests]
    assert len({call.key.payload for call in calls}) == 1


async def test_a_start_after_empty_answers_pays_for_none_of_them_again(
    server: OpenAIServer, tmp_path: Path
) -> None:
    server.responder = scripted(EMPTY, Reply("never", delay_s=60), then=lambda _: "at last")
    with started(server, tmp_path) as run:
        killed = asyncio.create_task(run.ask())
        while len(server.requests) < 2:
            await asyncio.sleep(0.01)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
    for _ in range(2):
        with started(server, tmp_path) as run:
            assert (await run.ask()).content == "at last"
    first, lost, again = (request["seed"] for request in server.requests)
    assert lost == again != first


async def test_empty_answers_end_in_an_error_that_names_agent_and_record(
    server: OpenAIServer, tmp_path: Path
) -> None:
    server.responder = lambda _: EMPTY
    for _ in range(2):
        with started(server, tmp_path) as run, raises(EmptyAnswerError, "empty_answer") as raised:
            await run.ask()
        for words in ("summarizer", "r-1", "3 empty answers", "finish_reason stop", "200"):
            assert words in raised.value.message
    assert len(server.requests) == 3


async def test_thinking_that_takes_all_tokens_is_named_with_their_number(
    server: OpenAIServer, tmp_path: Path
) -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 150}}

    class Thinking(Reply):
        def completion(self, request: dict[str, Any]) -> dict[str, Any]:
            answer = super().completion(request)
            answer["usage"] |= {"completion_tokens": 150, **details}
            return answer

    server.responder = lambda _: Thinking("", finish_reason="length")
    with started(server, tmp_path) as run:
        with raises(EmptyAnswerError, "thinking_cut") as raised:
            await run.ask()
        assert "150 tokens" in raised.value.message and "200" in raised.value.message
        with raises(EmptyAnswerError, "thinking_cut") as raised:
            await run.ask("2", settings={"max_tokens": 70})
        assert "max_tokens is 70" in raised.value.message
    assert len(server.requests) == 2  # the same question would end in the same way


async def test_an_answer_that_a_filter_took_away_is_a_refused_prompt(
    server: OpenAIServer, tmp_path: Path
) -> None:
    server.responder = lambda _: Reply("", finish_reason="content_filter")
    with started(server, tmp_path) as run, raises(RefusedPromptError, "answer_filtered"):
        await run.ask()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "code"), [(CUT, "thinking_cut"), (EMPTY, "empty_answer")], ids=["cut", "empty"]
)
async def test_a_run_in_which_nothing_is_ever_answered_stops(
    server: OpenAIServer, tmp_path: Path, reply: Reply, code: str
) -> None:
    server.responder = lambda _: reply
    with started(server, tmp_path) as run:
        for number in range(1, HOPELESS):
            with raises(EmptyAnswerError, code):
                await run.ask(f"{number}")
        with raises(RunStoppedError, code):
            await run.ask("last")
        asked = len(server.requests)
        with raises(RunStoppedError, code):
            await run.ask("another", agent="editor")
        assert len(server.requests) == asked
    with started(server, tmp_path) as run:  # the same command has its chance again
        server.responder = lambda _: "mended"
        assert (await run.ask("another")).content == "mended"


async def test_a_run_in_which_something_was_answered_bears_more(
    server: OpenAIServer, tmp_path: Path
) -> None:
    server.responder = scripted("words", then=lambda _: CUT)
    with started(server, tmp_path) as run:
        await run.ask("0")
        for number in range(1, GONE):
            with raises(EmptyAnswerError, "thinking_cut"):
                await run.ask(f"{number}")
        with raises(RunStoppedError, "thinking_cut"):
            await run.ask(f"{GONE}")


async def test_a_call_of_an_earlier_release_is_found_under_its_key(
    server: OpenAIServer, tmp_path: Path
) -> None:
    seed = derive_seed(0, "c", "1", "summarizer") % 2**31
    payload = payload_hash([HumanMessage("hello")], model="openai:m", tools=None, seed=seed)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record(CallTag(CallKey("c", "1", payload)), AIMessage("kept"), seconds=1)
        ledger.has_older_keys = True
        assert (await Run(server, ledger).ask()).content == "kept"
    assert not server.requests


TALK, CALL = (
    AIMessage("I would now submit.", response_metadata={"finish_reason": "stop"}),
    AIMessage("", tool_calls=[{"name": "submit", "args": {}, "id": "1"}]),
)


def test_a_conductor_that_only_talks_stops_the_run_with_its_last_words() -> None:
    health = Health()
    for _ in range(HOPELESS - 1):
        health.took_turn("openai:m", TALK, limit=200)
    with raises(RunStoppedError, "no_tool_calls") as raised:
        health.took_turn("openai:m", TALK, limit=200)
    for words in ("openai:m", "I would now submit.", "finish_reason stop", "max_tokens 200"):
        assert words in raised.value.message
    with raises(RunStoppedError, "no_tool_calls"):
        health.check()


def test_a_conductor_that_has_called_a_tool_may_talk() -> None:
    health = Health()
    health.took_turn("openai:m", CALL)
    for _ in range(HOPELESS + 1):
        health.took_turn("openai:m", TALK)
    health.check()


async def test_turns_go_one_by_one_until_a_tool_was_called() -> None:
    health, at_work, most = Health(), 0, 0

    async def turn(reply: AIMessage) -> None:
        nonlocal at_work, most
        async with health.trial("openai:m"):
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1
            health.took_turn("openai:m", reply)

    await asyncio.gather(*(turn(TALK) for _ in range(HOPELESS - 1)))
    assert most == 1
    await asyncio.gather(*(turn(CALL) for _ in range(5)))
    assert most > 1
