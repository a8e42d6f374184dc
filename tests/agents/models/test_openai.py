"""Hosted chat models over real HTTP: every fault, the pace, secrets, what goes over the wire."""

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel, SecretStr

from metasynth.agents.models.openai.chat import OpenAIChat, openai_chat
from metasynth.errors import ContextLimitError, ModelCallError, RefusedPromptError, RequestError
from tests.openai_answers import Fault, Reply, failure
from tests.openai_server import OpenAIServer, RateLimit, scripted
from tests.raising import raises

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def model_of(server: OpenAIServer, **options: Any) -> OpenAIChat:
    settings: dict[str, Any] = {"model": "test-model", "api_key": KEY, "first_backoff_s": 0.01}
    return OpenAIChat(base_url=server.base_url, **(settings | options))


@tool
def consult(expert: str) -> str:
    """Ask an expert."""
    return expert


class Joke(BaseModel):
    """A joke."""

    setup: str


# What another try can mend

PASSING: dict[str, Reply] = {
    "429": failure("rate_limited", headers={"Retry-After": "0.02"}),
    "429 without a word": failure("rate_limited"),
    "500": failure("server_error"),
    "503": failure("unavailable", headers={"Retry-After": "0.02"}),
    "cut before the answer": Reply("never seen", cut="before_headers"),
    "cut in the middle": Reply("half of this is lost " * 50, cut="in_the_middle"),
    "half JSON": Reply(raw_body='{"choices": [{"mess'),
    "JSON of another kind": Reply(raw_body='{"result": "ok"}'),
    "no choices": Reply(raw_body='{"choices": []}'),
    "null choices": Reply(raw_body='{"choices": null}'),
    "a list": Reply(raw_body="[1, 2]"),
}


@pytest.mark.parametrize("fault", PASSING)
async def test_a_passing_fault_is_tried_again(server: OpenAIServer, fault: str) -> None:
    server.responder = scripted(PASSING[fault], "at last")
    answer = await model_of(server).ainvoke("hello")
    assert answer.content == "at last"
    assert len(server.requests) == 2
    assert server.requests[0] == server.requests[1]


@pytest.mark.parametrize("fault", PASSING)
async def test_a_stream_that_showed_nothing_yet_is_tried_again(
    server: OpenAIServer, fault: str
) -> None:
    reply = PASSING[fault]
    if fault == "cut in the middle":
        reply = Reply("", cut="in_the_middle")  # after the role, before any word
    server.responder = scripted(reply, "at last")
    pieces = [chunk.text async for chunk in model_of(server).astream("hello")]
    assert "".join(pieces) == "at last"
    assert len(server.requests) == 2


async def test_a_stream_that_breaks_off_after_words_were_shown_says_so(
    server: OpenAIServer,
) -> None:
    server.responder = scripted(Reply("one two three four five", cut="in_the_middle"))
    seen = []
    with raises(ModelCallError, "request_refused", "shown"):
        async for chunk in model_of(server).astream("hello"):
            seen += [chunk.text]
    assert "".join(seen).startswith("one")
    assert len(server.requests) == 1


async def test_a_listener_alone_does_not_turn_a_call_into_a_stream(server: OpenAIServer) -> None:
    server.responder = scripted(Reply("half of this is lost " * 50, cut="in_the_middle"), "whole")
    model = model_of(server)

    async def node(text: str) -> AIMessage:
        return await model.ainvoke(text)

    events = [event async for event in RunnableLambda(node).astream_events("hello")]
    assert events[-1]["data"]["output"].content == "whole"


async def test_a_slow_answer_is_given_up_and_asked_for_again(server: OpenAIServer) -> None:
    # on a busy machine a good answer may come too late as well, so all others are good
    server.responder = scripted(Reply("too late", delay_s=60), then=lambda request: "in time")
    assert (await model_of(server, timeout=1.5).ainvoke("hello")).content == "in time"


async def test_a_slow_answer_is_waited_for_where_the_time_allows(server: OpenAIServer) -> None:
    server.latency_s = 0.5
    assert (await model_of(server, timeout=20).ainvoke("hello")).content == "You said: hello"


async def test_tries_are_bounded_and_the_last_reason_is_told(server: OpenAIServer) -> None:
    server.responder = lambda request: failure("server_error")
    with raises(ModelCallError, "no_answer", "3 tries", "500: The server had an"):
        await model_of(server, max_tries=3).ainvoke("hello")
    assert len(server.requests) == 3


async def test_a_server_that_refuses_everything_is_given_up(server: OpenAIServer) -> None:
    refusal = failure("rate_limited", headers={"Retry-After": "0.01"})
    server.responder = lambda request: refusal
    with raises(ModelCallError, "rate_limited", "3 tries", "429"):
        await model_of(server, max_tries=3).ainvoke("hello")


@pytest.mark.parametrize("text", ["", " \n "])
async def test_an_empty_answer_was_paid_for_and_is_passed_on(
    server: OpenAIServer, text: str
) -> None:
    server.responder = scripted(Reply(text), Reply(text))
    assert not (await model_of(server).ainvoke("hello")).text.strip()
    assert not "".join([chunk.text async for chunk in model_of(server).astream("hello")]).strip()
    assert len(server.requests) == 2


async def test_no_pause_goes_beyond_the_deadline(server: OpenAIServer) -> None:
    server.responder = lambda request: failure("server_error")
    with raises(ModelCallError, "deadline", "20 s (1 tries, last: 500"):
        await model_of(server, deadline_s=20, first_backoff_s=100).ainvoke("hello")


async def test_no_wait_for_the_endpoint_goes_beyond_the_deadline(server: OpenAIServer) -> None:
    server.responder = lambda request: failure("rate_limited", headers={"Retry-After": "30"})
    with raises(ModelCallError, "deadline", "20 s (1 tries, last: 429"):
        await model_of(server, deadline_s=20).ainvoke("hello")


async def test_no_answer_is_waited_for_beyond_the_deadline(server: OpenAIServer) -> None:
    server.responder = lambda request: Reply("too late", delay_s=60)
    with raises(ModelCallError, "deadline", "0.3 s"):
        await model_of(server, deadline_s=0.3).ainvoke("hello")


async def test_a_server_that_asks_for_hours_is_not_waited_for(server: OpenAIServer) -> None:
    server.responder = lambda request: failure("rate_limited", headers={"Retry-After": "7200"})
    with raises(ModelCallError, "wait_too_long", "7200 s"):
        await model_of(server).ainvoke("hello")


# What no other try can mend

FINAL: dict[Fault, tuple[str, str]] = {
    "wrong_key": ("wrong key (401: Incorrect API key provided.)", "set MY_KEY to a key"),
    "forbidden": ("the key may not use this model (403", "MY_KEY"),
    "no_quota": ("no quota left (429: You exceeded your current quota.)", "billing"),
    "bad_request": ("turned down (400: Unknown parameter: top_q.)", "extra_body"),
    "context_length": ("longer than the model's context (400", "larger context"),
    "filtered": ("turned down by a filter (400: The prompt triggered", ""),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FINAL)
async def test_a_lasting_fault_is_told_in_one_line_after_one_try(
    server: OpenAIServer, fault: Fault, streamed: bool
) -> None:
    server.responder = lambda request: failure(fault)
    model = model_of(server, api_key_env="MY_KEY")
    with pytest.raises(ModelCallError) as caught:
        if streamed:
            [_ async for _ in model.astream("hello")]
        else:
            await model.ainvoke("hello")
    what, hint = FINAL[fault]
    assert what in caught.value.message
    assert f"test-model at {server.base_url}" in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")
    assert isinstance(caught.value, ContextLimitError) == (fault == "context_length")
    assert isinstance(caught.value, RefusedPromptError) == (fault == "filtered")
    assert len(server.requests) == 1


async def test_a_wrong_model_name_lists_those_that_the_server_has() -> None:
    names = ("llama-3", "test-model-2")
    with OpenAIServer(models=names) as server, pytest.raises(ModelCallError) as caught:
        await model_of(server).ainvoke("hello")
    url = server.base_url
    assert caught.value.message == (
        f"no model called test-model at {url}; it offers: llama-3, test-model-2 "
        "(404: The model test-model does not exist.)"
    )
    assert caught.value.hint == "did you mean test-model-2?"


async def test_a_wrong_path_says_what_base_urls_look_like(server: OpenAIServer) -> None:
    model = OpenAIChat(
        model="m", api_key=SecretStr(KEY), base_url=server.base_url.removesuffix("/v1")
    )
    with raises(ModelCallError, "not_found") as caught:
        await model.ainvoke("hello")
    assert "/v1" in str(caught.value.hint)


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        model = OpenAIChat(
            model="m", api_key=SecretStr(KEY), base_url=url, max_tries=2, first_backoff_s=0.01
        )
        with raises(ModelCallError, "unreachable", url, "m") as caught:
            await model.ainvoke("hello")
    assert "is the server running" in str(caught.value.hint)


async def test_a_redirect_to_elsewhere_is_not_followed(server: OpenAIServer) -> None:
    away = Reply(status=307, error={}, headers={"Location": "http://127.0.0.1:9/v1"})
    server.responder = lambda request: away
    with raises(ModelCallError, "redirected") as raised:
        await model_of(server).ainvoke("hello")
    assert "http://127.0.0.1:9/v1" in raised.value.message


def test_no_key_for_openai_itself_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with raises(RequestError, "missing_key", "OPENAI_API_KEY"):
        openai_chat("gpt-4o-mini")


@pytest.mark.parametrize("key", ["sk-…", "sk-one\nsk-two", "clé"])
def test_what_is_no_key_is_refused_before_anything_is_sent(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with raises(RequestError, "bad_key") as refused:
        openai_chat("test-model", base_url="http://127.0.0.1:9/v1")
    assert key not in refused.value.message


# What passes through as it is


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_answers_that_are_odd_are_passed_on(server: OpenAIServer, streamed: bool) -> None:
    async def answer(reply: Reply) -> AIMessage:
        server.responder = scripted(reply)
        model = model_of(server).bind_tools([consult])
        if not streamed:
            return await model.ainvoke("hello")
        whole: Any = None
        async for chunk in model.astream("hello"):
            whole = chunk if whole is None else whole + chunk
        assert isinstance(whole, AIMessage)
        return whole

    cut = await answer(Reply("cut short", finish_reason="length"))
    assert (cut.content, cut.response_metadata["finish_reason"]) == ("cut short", "length")

    nothing = await answer(Reply("", finish_reason="length"))
    assert (nothing.content, nothing.response_metadata["finish_reason"]) == ("", "length")

    refusal = await answer(Reply(None, refusal="I cannot help with that."))
    assert refusal.additional_kwargs["refusal"] == "I cannot help with that."

    malformed = await answer(
        Reply(None, tool_calls=({"name": "consult", "arguments": '{"expert": "edi'},))
    )
    # A stream's pieces are completed as far as they can be; a whole answer is taken at its word.
    if not streamed:
        assert malformed.tool_calls == []
        assert malformed.invalid_tool_calls[0]["args"] == '{"expert": "edi'

    not_json = await answer(Reply(None, tool_calls=({"name": "consult", "arguments": "expert!"},)))
    assert not_json.tool_calls == []
    assert not_json.invalid_tool_calls[0]["args"] == "expert!"

    unknown = await answer(Reply(None, tool_calls=({"name": "fly", "arguments": {"to": "x"}},)))
    assert unknown.tool_calls[0]["name"] == "fly"
    assert unknown.tool_calls[0]["args"] == {"to": "x"}
    assert len(server.requests) == 6


async def test_a_structured_answer_that_was_cut_is_passed_on_too(server: OpenAIServer) -> None:
    server.responder = scripted(Reply('{"setup": "Wh', finish_reason="length"))
    model = model_of(server).with_structured_output(Joke, include_raw=True)
    answer: Any = await model.ainvoke("a joke")
    assert answer["raw"].response_metadata["finish_reason"] == "length"
    assert answer["parsed"] is None


async def test_a_structured_answer_that_does_not_fit_is_asked_for_again(
    server: OpenAIServer,
) -> None:
    server.responder = scripted(Reply('{"wrong": 1}'), Reply('{"setup": "Why?"}'))
    answer = await model_of(server).with_structured_output(Joke).ainvoke("a joke")
    assert answer == Joke(setup="Why?")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_tokens_are_estimated_where_the_server_does_not_count(
    server: OpenAIServer, streamed: bool
) -> None:
    server.responder = scripted(Reply("twenty characters or", usage=False), "counted")

    async def answer() -> AIMessage:
        whole: Any = None
        if not streamed:
            return await model_of(server).ainvoke("hello " * 40)
        async for chunk in model_of(server).astream("hello " * 40):
            whole = chunk if whole is None else whole + chunk
        assert isinstance(whole, AIMessage)
        return whole

    guessed = await answer()
    assert guessed.response_metadata["usage_estimated"] is True
    assert guessed.usage_metadata is not None
    assert 50 <= guessed.usage_metadata["input_tokens"] <= 75
    assert 4 <= guessed.usage_metadata["output_tokens"] <= 8
    counted = await answer()
    assert "usage_estimated" not in counted.response_metadata
    assert counted.usage_metadata is not None


# What goes over the wire


async def test_only_plain_chat_completions_leave(server: OpenAIServer) -> None:
    private = {"instruction": "PRIVATE", "attachments": [{"ref": "seed-1", "text": "PRIVATE"}]}
    call = {"name": "consult", "args": {"expert": "editor"}, "id": "1", "type": "tool_call"}
    messages = [
        SystemMessage([{"type": "text", "text": "You are "}, "the Conductor."]),
        HumanMessage([{"type": "text", "text": "Write."}], additional_kwargs=private),
        AIMessage(
            [{"type": "thinking", "thinking": "PRIVATE"}, {"type": "text", "text": "Well"}],
            tool_calls=[call],
            additional_kwargs=private,
        ),
        ToolMessage([{"type": "text", "text": "draft-1"}], tool_call_id="1"),
    ]
    model = openai_chat(
        "test-model",
        base_url=server.base_url,
        temperature=0.5,
        top_p=0.9,
        max_tokens=40,
        seed=7,
        extra_body={"top_k": 5},
    )
    await model.bind_tools([consult]).ainvoke(messages)
    (body,) = server.requests
    assert "PRIVATE" not in str(body)
    assert [message["content"] for message in body["messages"]] == [
        "You are the Conductor.",
        "Write.",
        "Well",
        "draft-1",
    ]
    assert body["messages"][2]["tool_calls"][0]["function"]["name"] == "consult"
    settings = {key: body[key] for key in ("temperature", "top_p", "max_tokens", "seed", "top_k")}
    assert settings == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 40,
        "seed": 7,
        "top_k": 5,
    }
    assert messages[1].additional_kwargs == private


def test_openai_itself_gets_the_new_name_of_the_token_limit() -> None:
    model = OpenAIChat(
        model="m",
        api_key=SecretStr(KEY),
        base_url="https://api.openai.com/v1",
        max_completion_tokens=9,
    )
    payload = model._get_request_payload("hello")
    assert payload["max_completion_tokens"] == 9
    assert "max_tokens" not in payload


def test_tokens_are_counted_without_downloading_a_vocabulary(server: OpenAIServer) -> None:
    model = model_of(server)
    assert model.get_num_tokens("a" * 40) == 10
    assert 10 <= model.get_num_tokens_from_messages([HumanMessage("a" * 40)]) <= 20


async def test_a_gateway_of_the_environment_does_not_take_the_calls(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_GATEWAY", "true")
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_secret")
    await model_of(server).ainvoke("hello")
    assert len(server.requests) == 1
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert (
        OpenAIChat(model="m", api_key=SecretStr(KEY)).openai_api_base == "https://api.openai.com/v1"
    )


# Secrets


async def test_the_key_is_sent_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SOME_KEY", KEY)
    shown = []
    with OpenAIServer(key=KEY) as server:
        url = server.base_url.replace("127.0.0.1", "user:pass-in-url@127.0.0.1")
        model = openai_chat("test-model", base_url=server.base_url, api_key_env="SOME_KEY")
        await model.ainvoke("hello")
        shown += [repr(model), str(model), dumps(model), repr(vars(model.pacer))]
        echo = f"Incorrect API key provided: {KEY}."
        server.responder = lambda request: Reply(status=401, error={"message": echo})
        for broken in (model, openai_chat("test-model", base_url=url, api_key_env="SOME_KEY")):
            with pytest.raises(ModelCallError) as caught:
                await broken.ainvoke("hello")
            shown += [caught.value.message, str(caught.value.hint), repr(caught.value)]
    shown.append(caplog.text)
    assert server.received[0].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in "\n".join(shown)
    assert "pass-in-url" not in shown[-3]
    assert "SOME_KEY" in "\n".join(shown)


async def test_a_server_of_ones_own_needs_no_key(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    await openai_chat("test-model", base_url=server.base_url).ainvoke("hello")
    assert server.received[0].headers["Authorization"] == "Bearer not-needed"


# The pace


async def test_300_calls_to_a_server_with_50_a_second_provoke_few_refusals() -> None:
    with OpenAIServer(latency_s=0.05, rate=RateLimit(50, burst=25)) as server:
        model = model_of(server)
        answers = await asyncio.gather(*(model.ainvoke(f"call {i}") for i in range(300)))
    assert [answer.content for answer in answers] == [f"You said: call {i}" for i in range(300)]
    assert server.refusals <= 25
    assert len(server.requests) == 300 + server.refusals


async def test_nobody_sends_before_retry_after_is_over() -> None:
    refusal = failure("rate_limited", headers={"retry-after-ms": "2500"})
    with OpenAIServer(scripted("first", refusal)) as server:
        model = model_of(server)
        another = model_of(server, temperature=0.5)  # a second model of the same endpoint
        await model.ainvoke("hello")
        await asyncio.gather(*(each.ainvoke("hello") for each in [model, another] * 8))
        arrivals = [received.at for received in server.received]
    # Call 1 was refused. What was on its way with it may still arrive, late where the machine is
    # busy; then there is silence.
    assert max(later - sooner for sooner, later in pairwise(arrivals[1:])) >= 1.5
    assert len(arrivals) == 18


@pytest.mark.parametrize("says", ["fraction", "seconds", "date", "ms", "nothing"])
async def test_every_way_of_saying_retry_after_is_understood(says: Any) -> None:
    with OpenAIServer(rate=RateLimit(5, burst=1, says=says)) as server:
        model = model_of(server)
        await asyncio.gather(*(model.ainvoke("hello") for _ in range(3)))
    assert server.refusals <= 6


async def test_calls_in_flight_stay_within_the_limit() -> None:
    with OpenAIServer(latency_s=0.02) as server:
        model = model_of(server, max_concurrency=3)
        await asyncio.gather(*(model.ainvoke("hello") for _ in range(20)))
    assert server.max_in_flight <= 3


async def test_streams_hold_their_place_until_they_end() -> None:
    reply = Reply("one two three", chunk_delay_s=0.01)
    with OpenAIServer(lambda request: reply) as server:
        model = model_of(server, max_concurrency=2)

        async def listen() -> None:
            assert [chunk async for chunk in model.astream("hello")]

        await asyncio.gather(*(listen() for _ in range(8)))
    assert server.max_in_flight <= 2
    assert model.pacer.in_flight == 0


async def test_a_cancelled_call_frees_its_place(server: OpenAIServer) -> None:
    arrived = threading.Event()

    def respond(request: dict[str, Any]) -> Reply:
        arrived.set()
        return Reply("late", delay_s=60)

    server.responder = respond
    model = model_of(server, max_concurrency=1)
    call = asyncio.create_task(model.ainvoke("hello"))
    await asyncio.to_thread(arrived.wait)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    server.responder = lambda request: "next"
    assert (await model.ainvoke("hello")).content == "next"


async def test_a_stream_that_is_left_early_frees_its_place(server: OpenAIServer) -> None:
    model = model_of(server, max_concurrency=1)
    stream = model.astream("one two three")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert (await model.ainvoke("hello")).content == "You said: hello"


# Loops and threads


def test_a_model_outlives_its_event_loops(server: OpenAIServer) -> None:
    model = model_of(server)
    for _ in range(3):
        assert asyncio.run(model.ainvoke("hello")).content == "You said: hello"
        assert model.invoke("hello").content == "You said: hello"
    gc.collect()  # a connection left open would warn now


def test_synchronous_calls_and_streams_work_from_several_threads(server: OpenAIServer) -> None:
    model = model_of(server)
    answers = model.batch([f"call {i}" for i in range(12)], {"max_concurrency": 6})
    assert [answer.content for answer in answers] == [f"You said: call {i}" for i in range(12)]
    assert "".join(chunk.text for chunk in model.stream("a b c")) == "You said: a b c"
    for _ in model.stream("a b c"):
        break
    assert model.invoke("hello").content == "You said: hello"


async def test_a_synchronous_call_inside_a_running_loop_does_not_lock_up(
    server: OpenAIServer,
) -> None:
    model = model_of(server)
    assert model.invoke("hello").content == "You said: hello"
