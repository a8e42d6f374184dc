"""The ledger knows every call, counts it once, and gives its response again."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from metasynth.config.model import PriceConfig
from metasynth.errors import MetaSynthError
from metasynth.memory.ledger import CallKey, CallTag, Ledger, Totals
from metasynth.memory.messages import payload_hash
from metasynth.memory.recorder import CallRecorder
from tests.raising import raises

PRICES = {"openai:m": PriceConfig(input=2.0, output=10.0)}


def usage(tokens_in: int, tokens_out: int) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=tokens_in + tokens_out
    )


def tag(step: str = "s", **changes: str) -> CallTag:
    fields: dict[str, Any] = {"agent": "conductor", "record_id": "r1", "model": "openai:m"}
    return CallTag(CallKey("c1", step, "p"), **fields | changes)


RESPONSE = AIMessage(
    content="“text” \x00 \ud800 𝄞",
    tool_calls=[{"name": "submit", "args": {"draft": "draft-1"}, "id": "1", "type": "tool_call"}],
    invalid_tool_calls=[
        {"name": "x", "args": "{", "id": "2", "error": "bad", "type": "invalid_tool_call"}
    ],
    usage_metadata=usage(1000, 100),
    response_metadata={"model_name": "m", "finish_reason": "stop"},
    id="run-1",
)


class EchoModel(BaseChatModel):
    """Answers with the last message; waits as long as it is told to."""

    waits: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = str(messages[-1].content)
        if text == "fail":
            raise ValueError("no answer")
        message = AIMessage(content=text, usage_metadata=usage(10, 1))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        if event := self.waits.get(str(messages[-1].content)):
            await event.wait()
        return self._generate(messages)


def config(ledger: Ledger, call: CallTag) -> RunnableConfig:
    return {"callbacks": [CallRecorder(ledger, prices=PRICES)], "metadata": call.metadata()}


def test_a_recorded_response_comes_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.lookup(tag().key) is None
    assert ledger.record(tag(), RESPONSE, seconds=1.5, prices=PRICES)
    assert ledger.lookup(tag().key) == RESPONSE
    assert ledger.lookup(tag().key) is not ledger.lookup(tag().key)
    assert ledger.lookup(CallKey("c2", "s", "p")) is None
    ledger.close()


def test_a_streamed_response_comes_back_as_a_plain_message(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.record(tag(), AIMessageChunk(content="text"), seconds=1)
    assert type(ledger.lookup(tag().key)) is AIMessage
    ledger.close()


def test_a_call_counts_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.record(tag(), RESPONSE, seconds=1.5, prices=PRICES)
    assert not ledger.record(tag(), AIMessage("other"), seconds=9, prices=PRICES)
    ledger.lookup(tag().key)
    expected = Totals(calls=1, tokens_in=1000, tokens_out=100, seconds=1.5, usd=0.003)
    assert ledger.totals() == expected
    assert ledger.totals().tokens == 1100
    ledger.close()


def test_attempts_of_a_call_are_calls_of_their_own(tmp_path: Path) -> None:
    adapted = RESPONSE.model_copy(update={"response_metadata": {"adaptation": "no temperature"}})
    with Ledger(tmp_path / "ledger") as ledger:
        for attempt, response in enumerate((AIMessage(""), adapted)):
            key = CallKey("c1", "s", "p", attempt)
            assert ledger.record(CallTag(key, record_id="r1", seed=attempt), response, seconds=1)
        assert ledger.lookup(CallKey("c1", "s", "p")) == AIMessage("")
        assert ledger.lookup(CallKey("c1", "s", "p", 1)) == adapted
        assert ledger.lookup(CallKey("c1", "s", "p", 2)) is None
        calls = ledger.calls_of("r1")
    told = [(call.key.attempt, call.seed, call.adaptation) for call in calls]
    assert told == [(0, 0, ""), (1, 1, "no temperature")]


EARLIER = """
CREATE TABLE calls (
    number INTEGER PRIMARY KEY,
    chain TEXT NOT NULL, step TEXT NOT NULL, payload TEXT NOT NULL,
    record_id TEXT NOT NULL, agent TEXT NOT NULL, model TEXT NOT NULL, response TEXT NOT NULL,
    tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, seconds REAL NOT NULL, usd REAL,
    created_at TEXT NOT NULL,
    UNIQUE (chain, step, payload)
);
CREATE INDEX calls_by_record ON calls (record_id, number);
INSERT INTO calls VALUES (7, 'c1', 's', 'p', 'r1', 'conductor', 'openai:m', '{"content": "text"}',
    10, 2, 1.5, NULL, '2026-11-01T00:00:00+00:00');
"""


def test_a_ledger_of_an_earlier_release_is_read_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with closing(sqlite3.connect(path)) as earlier:
        earlier.executescript(EARLIER)
    with Ledger(path, read_only=True) as ledger:
        (call,) = ledger.calls_of("r1")
    assert (call.key, call.seed, call.adaptation) == (tag().key, None, "")
    for _ in range(2):
        with Ledger(path) as ledger:
            assert ledger.has_older_keys
            assert ledger.lookup(tag().key) == AIMessage("text")
            assert ledger.calls_of("r1")[0] == call
            ledger.record(CallTag(CallKey("c1", "s", "p", 1)), RESPONSE, seconds=1)
            assert ledger.totals().calls == 2
    with Ledger(tmp_path / "new") as ledger:
        assert not ledger.has_older_keys


def test_totals_are_there_after_opening_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.record(tag("1"), RESPONSE, seconds=1, prices=PRICES)
    ledger.record(tag("2", agent="summarizer"), RESPONSE, seconds=2, prices=PRICES)
    ledger.record(tag("3", agent="summarizer", model="free"), RESPONSE, seconds=4, prices=PRICES)
    before = ledger.totals(), ledger.totals_by_agent()
    ledger.close()
    again = Ledger(tmp_path / "ledger")
    assert (again.totals(), again.totals_by_agent()) == before
    assert again.totals().unpriced == 1
    assert again.totals().usd == pytest.approx(0.006)
    assert list(again.totals_by_agent()) == ["conductor", "summarizer"]
    assert again.totals_by_agent()["summarizer"].seconds == 6
    again.close()


def test_time_with_a_call_in_flight_counts_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.busy_seconds() == 0
        for step, seconds in (("1", 50.0), ("2", 20.0), ("3", 0.0)):  # they end at one moment
            ledger.record(tag(step), RESPONSE, seconds=seconds)
        assert 50 <= ledger.busy_seconds() < 60


def test_the_calls_of_a_record_in_their_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for step in ("b", "a", "c"):
        ledger.record(tag(step), RESPONSE, seconds=1, prices=PRICES)
    ledger.record(tag("d", record_id="r2", model="free"), RESPONSE, seconds=1, prices=PRICES)
    calls = ledger.calls_of("r1")
    assert [call.key.step for call in calls] == ["b", "a", "c"]
    assert calls[0].response == RESPONSE
    assert calls[0].usd == pytest.approx(0.003)
    assert ledger.calls_of("r2")[0].usd is None
    assert ledger.totals_of("r1").calls == 3
    assert ledger.calls_of("r3") == []
    ledger.close()


def test_something_else_is_not_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("not a database, but long enough to be looked at" * 50)
    with raises(MetaSynthError, "not_a_database"):
        Ledger(tmp_path / "ledger")


async def test_the_callback_writes_before_the_response_is_used(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    response = await EchoModel().ainvoke("hello", config(ledger, tag()))
    kept = ledger.lookup(tag().key)
    assert kept is not None
    assert kept.content == response.content == "hello"
    (call,) = ledger.calls_of("r1")
    assert (call.agent, call.model, call.tokens_in, call.tokens_out) == (
        "conductor",
        "openai:m",
        10,
        1,
    )
    assert call.seconds >= 0
    ledger.close()


def test_the_callback_hears_of_sync_calls_too(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    EchoModel().invoke("hello", config(ledger, tag()))
    assert ledger.totals().calls == 1
    ledger.close()


async def test_calls_at_once_on_one_handler(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    handler = CallRecorder(ledger, prices=PRICES)
    waits = {str(number): asyncio.Event() for number in range(20)}
    model = EchoModel(waits=waits)
    tasks = [
        asyncio.create_task(
            model.ainvoke(
                text, {"callbacks": [handler], "metadata": tag(text, record_id=text).metadata()}
            )
        )
        for text in waits
    ]
    while handler.in_flight < 20:
        await asyncio.sleep(0)
    for text in reversed(waits):  # they end in another order than they began
        waits[text].set()
    await asyncio.gather(*tasks)
    assert handler.in_flight == 0
    assert ledger.totals().calls == 20
    for text in waits:
        (call,) = ledger.calls_of(text)
        assert call.response.content == text
    ledger.close()


async def test_a_failed_or_cancelled_call_is_not_recorded(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    handler = CallRecorder(ledger)
    with pytest.raises(ValueError, match="no answer"):
        await EchoModel().ainvoke("fail", {"callbacks": [handler]})
    task = asyncio.create_task(
        EchoModel(waits={"x": asyncio.Event()}).ainvoke("x", {"callbacks": [handler]})
    )
    while not handler.in_flight:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert handler.in_flight == 0
    assert ledger.totals() == Totals()
    ledger.close()


async def test_a_call_without_a_tag_is_paid_for_all_the_same(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for _ in range(2):
        await EchoModel().ainvoke("hello", {"callbacks": [CallRecorder(ledger)]})
    assert ledger.totals() == Totals(
        calls=2, tokens_in=20, tokens_out=2, seconds=ledger.totals().seconds, unpriced=2
    )
    ledger.close()


async def test_a_call_that_cannot_be_written_down_is_not_used(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.close()
    with raises(MetaSynthError, "database_closed"):
        await EchoModel().ainvoke("hello", config(ledger, tag()))


def test_the_hash_names_what_is_asked() -> None:
    def asked(content: str = "write", **changes: Any) -> str:
        human = HumanMessage(
            content,
            id=changes.pop("id", "1"),
            additional_kwargs={"instruction": changes.pop("instruction", "i"), "attachments": []},
        )
        call = AIMessage(
            "",
            tool_calls=[{"name": "t", "args": {"a": 1, "b": 2}, "id": "c1"}],
            usage_metadata=changes.pop("usage", None),
            response_metadata=changes.pop("response_metadata", {}),
        )
        messages = [SystemMessage("s"), human, call, ToolMessage("ok", tool_call_id="c1")]
        return payload_hash(messages, **({"model": "m", "temperature": 0.7, "seed": 1} | changes))

    assert asked() == asked()
    assert asked() == asked(id="2", usage=usage(1, 2), response_metadata={"request": "x"})
    different = [
        asked("write!"),
        asked(instruction="j"),
        asked(model="n"),
        asked(seed=2),
        asked(temperature=0.70001),
        asked(tools=[{"name": "t"}]),
    ]
    assert len({asked(), *different}) == 7
    assert payload_hash([HumanMessage("\ud800")]) != payload_hash([HumanMessage("\ud801")])


def test_the_hash_is_the_same_in_every_release() -> None:
    messages = [SystemMessage("You write."), HumanMessage("Write.")]
    expected = "f718c423c3d61e2c37414411aea87b963c03f7aa123348efd803ee269dbf047f"
    assert payload_hash(messages, model="m", seed=1) == expected


def test_counts_that_are_none_in_an_old_ledger_break_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        for step in "abc":
            ledger.record(
                CallTag(CallKey("0", step, "p"), record_id="r"), AIMessage("said" * 9), seconds=1.0
            )
    counts = '{"input_tokens": null, "output_tokens": 1e25, "total_tokens": "?"}'
    senseless = f'{{"content": "x", "usage_metadata": {counts}}}'
    with sqlite3.connect(path) as db:
        db.execute("UPDATE calls SET tokens_in = 1e25, usd = -1e25 WHERE step = 'a'")
        db.execute(
            "UPDATE calls SET tokens_out = ?, response = ? WHERE step = 'b'", (2**62, senseless)
        )
        db.execute("UPDATE calls SET tokens_out = -7, tokens_in = 'many' WHERE step = 'c'")
    with Ledger(path) as ledger:
        assert 0 < ledger.totals().tokens < 1000
        assert ledger.totals().usd == 0
        assert 0 < ledger.totals_of("r").tokens < 1000
        assert [call.response.text for call in ledger.calls_of("r")][1] == "x"


async def test_calls_that_end_together_are_committed_together(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.begin("r1", {"seed": {"id": "s"}})
        written = await asyncio.gather(
            *(ledger.arecord(tag(str(number)), RESPONSE, seconds=1.0) for number in range(40)),
            ledger.arecord(tag("0"), RESPONSE, seconds=1.0),
        )
        assert sum(call is None for call in written) == 1  # the same key a second time
        assert ledger.totals().calls == 40
        assert ledger.commits <= 2
        assert ledger.beginning("r1") == {"seed": {"id": "s"}}
        ledger.end("r1")
        await ledger.arecord(tag("last"), RESPONSE, seconds=1.0)
        assert ledger.beginning("r1") is None
