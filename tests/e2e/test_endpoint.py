"""Whole runs against an OpenAI-compatible server: the good case, and everything that goes wrong."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import FINANCE, calls_in, corpus_of, metasynth, settings, small_run
from tests.openai_answers import Reply, failure
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

Fault = Callable[[dict[str, Any]], Reply | None]


class Troubled:
    """A teacher that goes wrong at one request in `every`, in one way, and at one at least.

    The first fault comes with the first request from number `every` on that it fits.
    """

    def __init__(self, fault: Fault, *, every: int, most: int = 100) -> None:
        self._teacher = Teacher()
        self._fault = fault
        self._every = every
        self._most = most
        self._chance = random.Random(every)
        self._asked = 0
        self.faults = 0

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._asked += 1
        first = self.faults == 0 and self._asked >= self._every
        due = self._chance.randrange(self._every) == 0 or first
        if due and self.faults < self._most and (bad := self._fault(request)) is not None:
            self.faults += 1
            return bad
        return self._teacher(request)


def always(reply: Reply) -> Fault:
    return lambda request: reply


def to_conductor(reply: Reply) -> Fault:
    return lambda request: reply if request.get("tools") else None


def to_expert(reply: Reply) -> Fault:
    return lambda request: None if request.get("tools") else reply


def test_the_finance_example_runs_as_it_is_with_32_chains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Teacher(), latency_s=0.02) as server:
        changes = settings(teacher__base_url=server.base_url, budget__records=12)
        assert metasynth("run", FINANCE, "--out", out, *changes) == 0
        asked = len(server.requests)
        assert {request["model"] for request in server.requests} == {"gpt-4o-mini"}
    records = corpus_of(out)
    assert len(records) == 12 == len({record.id for record in records})
    assert len({record.id.split("-")[1] for record in records}) == 12  # a chain each, at once
    assert calls_in(out) == asked
    for record in records:
        assert record.experts[:2] == ["seed_keyword_extraction", "seed_keyword_expansion"]
        assert {"domain_expert", "summarizer", "topic_label"} <= set(record.experts)
        assert record.seed_ids and record.keywords and record.genre and record.persona
        assert record.summary and record.topic and record.created_at
        assert record.generation.calls >= 9
        assert record.generation.usd is not None and record.generation.usd > 0
        assert record.generation.models["experts"] == "openai:gpt-4o-mini"
    told = capsys.readouterr().out
    assert "finance: 12 records accepted" in told
    assert "budget.records: all records are written" in told


HELPED_BY_ANOTHER_TRY = {
    "slow": always(Reply(content="late", delay_s=30.0)),
    "too many requests": always(failure("rate_limited", headers={"Retry-After": "0.05"})),
    "server error": always(failure("server_error")),
    "cut before an answer": always(Reply(content="x", cut="before_headers")),
    "cut in the middle": always(Reply(content="some words " * 20, cut="in_the_middle")),
    "no chat completion": always(Reply(raw_body="{}")),
}


@pytest.mark.parametrize("name", HELPED_BY_ANOTHER_TRY)
def test_another_try_helps_and_costs_nothing_in_the_ledger(name: str, tmp_path: Path) -> None:
    troubled = Troubled(HELPED_BY_ANOTHER_TRY[name], every=9, most=1 if name == "slow" else 100)
    changes: dict[str, object] = {"teacher__timeout_s": 4} if name == "slow" else {}
    with OpenAIServer(troubled) as server:
        run = small_run(server.base_url, budget__records=1, **changes)
        assert metasynth(*run, "--out", tmp_path / "run") == 0
        assert troubled.faults >= 1
        answered = len(server.requests) - troubled.faults
    assert len(corpus_of(tmp_path / "run")) == 1
    if name != "slow":  # there, a good answer of a busy machine may come too late as well
        assert calls_in(tmp_path / "run") == answered


BAD_ANSWERS = {
    "an empty answer": always(Reply(content="")),
    "arguments that are no JSON": to_conductor(
        Reply(content=None, tool_calls=({"name": "consult", "arguments": '{"expert": "summ'},))
    ),
    "arguments of another type": to_conductor(
        Reply(content=None, tool_calls=({"name": "submit", "arguments": {"draft": ["draft-1"]}},))
    ),
    "arguments that are no object": to_conductor(
        Reply(content=None, tool_calls=({"name": "submit", "arguments": "[1, 2]"},))
    ),
    "an unknown tool": to_conductor(
        Reply(content=None, tool_calls=({"name": "launch", "arguments": {"rocket": 1}},))
    ),
    "an expert that is not offered": to_conductor(
        Reply(
            content=None,
            tool_calls=(
                {
                    "name": "consult",
                    "arguments": {"expert": "a b c d e f g", "instruction": "x", "attach": []},
                },
            ),
        )
    ),
    "a reference to nothing": to_conductor(
        Reply(content=None, tool_calls=({"name": "submit", "arguments": {"draft": "draft-99"}},))
    ),
    "talk instead of a call": to_conductor(Reply(content="I would now consult the summarizer.")),
    "a refusal": to_expert(Reply(content=None, refusal="I cannot help with that.")),
    "a refusal in words": to_expert(Reply(content="I'm sorry, but I cannot help with that.")),
    "an answer cut at the token limit": to_expert(
        Reply(content="The audit of the harbour began on", finish_reason="length")
    ),
    "a filtered answer": to_expert(Reply(content="", finish_reason="content_filter")),
    "a conductor cut at the token limit": to_conductor(
        Reply(
            content=None,
            tool_calls=({"name": "consult", "arguments": '{"expert": "domain_ex'},),
            finish_reason="length",
        )
    ),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_goes_back_to_the_conductor(name: str, tmp_path: Path) -> None:
    troubled = Troubled(BAD_ANSWERS[name], every=4)
    with OpenAIServer(troubled) as server:
        run = small_run(server.base_url, budget__records=2, concurrency=2)
        assert metasynth(*run, "--out", tmp_path / "run") == 0
        assert troubled.faults >= 1
        assert calls_in(tmp_path / "run") == len(server.requests)
    records = corpus_of(tmp_path / "run")
    assert len(records) == 2
    assert not any(record.body.startswith(("I'm sorry", "The audit of")) for record in records)


def one_line_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that may stand on stderr."""
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and told[0].startswith("error: "), told
    return told[0]


class Broken:
    """A teacher that answers well until it is broken."""

    def __init__(self, reply: Reply, *, after: int) -> None:
        self._teacher = Teacher()
        self._reply = reply
        self._left = after

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._left -= 1
        return self._teacher(request) if self._left >= 0 else self._reply

    def mend(self) -> None:
        self._left = 10**9


NOT_HELPED = {
    "wrong key": (failure("wrong_key"), ["wrong key", "OPENAI_API_KEY"]),
    "wrong model": (failure("wrong_model"), ["no model called gpt-4o-mini", "name"]),
    "forbidden": (failure("forbidden"), ["may not use the model", "OPENAI_API_KEY"]),
    "no quota": (failure("no_quota"), ["quota", "billing"]),
    "context too small": (failure("context_length"), ["context", "larger context"]),
    "bad request": (failure("bad_request"), ["Unknown parameter", "run file"]),
    "always broken": (failure("server_error"), ["500", "start the same command again"]),
    "always too many": (
        failure("rate_limited", headers={"Retry-After": "0.01"}),
        ["429", "start the same command again"],
    ),
    "always slow": (Reply(content="late", delay_s=30.0), ["no answer", "again"]),
    "always empty": (Reply(content=""), ["empty answers", "chat template"]),
    "always cut": (Reply(content="word " * 20, cut="in_the_middle"), ["cut", "again"]),
}


@pytest.mark.parametrize("name", NOT_HELPED)
def test_what_no_try_helps_ends_with_one_line_and_the_same_command_goes_on(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reply, words = NOT_HELPED[name]
    broken = Broken(reply, after=3)
    out = tmp_path / "run"
    with OpenAIServer(broken) as server:
        run = [*small_run(server.base_url, graph="template", budget__records=5), "--out", out]
        run += settings(concurrency=2, teacher__max_tries=2)
        # once mended it has all the time it wants: no good answer comes too late
        impatient = settings(teacher__timeout_s=2) if name == "always slow" else []
        assert metasynth(*run, *impatient) == 1
        error = one_line_error(capsys)
        for word in words:
            assert word in error
        kept = corpus_of(out)
        assert 1 <= len(kept) < 5
        finished = calls_in(out)
        broken.mend()
        before = len(server.requests)
        assert metasynth(*run) == 0
        assert calls_in(out) - finished == len(server.requests) - before <= 5 - len(kept)
    records = corpus_of(out)
    assert records[: len(kept)] == kept
    assert len(records) == 5 == len({record.id for record in records})


class Filtering:
    """Refuses the prompt that comes as the n-th, whenever it comes."""

    def __init__(self, number: int) -> None:
        self._teacher = Teacher()
        self._asked: list[str] = []
        self._refused = number - 1

    def __call__(self, request: dict[str, Any]) -> Reply:
        self._asked.append(str(request["messages"]))
        refused = self._asked[-1] in self._asked[self._refused : self._refused + 1]
        return failure("filtered") if refused else self._teacher(request)


@pytest.mark.parametrize(("graph", "number"), [("template", 2), ("document", 1)])
def test_a_prompt_that_a_filter_refuses_costs_its_record_alone(
    graph: str, number: int, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Filtering(number)) as server:
        run = [*small_run(server.base_url, graph=graph, budget__records=3), "--out", out]
        assert metasynth(*run, *settings(concurrency=1)) == 0
    assert len(corpus_of(out)) == 3
    lines = (out / "rejected.jsonl").read_text().splitlines()
    assert lines  # in the document graph: every record whose brief is this one
    assert all("turned down by a filter" in line for line in lines)


def test_a_server_that_is_gone_and_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        run = [*small_run(server.base_url, budget__records=6, concurrency=2), "--out", out]
        run += settings(teacher__max_tries=2)
        assert metasynth(*run, *settings(budget__records=2)) == 0
    assert metasynth(*run) == 1
    error = one_line_error(capsys)
    assert f"cannot reach {server.base_url}" in error
    assert "is the server running" in error
    assert len(corpus_of(out)) == 2
    with OpenAIServer(Teacher(), port=server.port):
        assert metasynth(*run) == 0
    assert len(corpus_of(out)) == 6


def test_a_key_and_a_model_are_put_right_and_the_run_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mistyped-secret")
    with OpenAIServer(Teacher(), key="sk-right-secret", models=("llama-3",)) as server:
        run = [*small_run(server.base_url, budget__records=2, concurrency=2), "--out", out]
        assert metasynth(*run) == 1
        error = one_line_error(capsys)
        assert "wrong key" in error and "OPENAI_API_KEY" in error
        assert "sk-mistyped" not in error

        monkeypatch.setenv("OPENAI_API_KEY", "sk-right-secret")
        assert metasynth(*run) == 1
        error = one_line_error(capsys)
        assert "no model called gpt-4o-mini" in error and "llama-3" in error

        # nothing was written under the wrong name, so the folder is free for the right one
        run += settings(
            teacher__model="openai:llama-3",
            prices="{'openai:llama-3': {input: 1, output: 1}}",
        )
        assert metasynth(*run) == 0
    assert len(corpus_of(out)) == 2
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"sk-right-secret" not in everything


def test_no_key_for_openai_itself_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    assert metasynth("run", FINANCE, "--out", tmp_path / "run") == 2
    error = one_line_error(capsys)
    assert "OPENAI_API_KEY is not set" in error
    assert "base_url" in error
    assert not corpus_of(tmp_path / "run")
