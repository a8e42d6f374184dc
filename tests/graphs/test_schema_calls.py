"""`conductor.tools`: calls as JSON by schema, where a server ignores tools."""

import json
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.commands import Command, corpus_of, metasynth, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer, scripted
from tests.teacher import Teacher


class WithoutTools(Teacher):
    """A server that drops tools and enforces schemas: the teacher's calls come as JSON."""

    def __call__(self, request: dict[str, Any]) -> Reply:
        wanted = request.get("response_format")
        if request.get("tools"):
            return Reply(content="Let me think about whom to ask.")
        if wanted is None:
            return super().__call__(request)
        made = super().__call__({**request, "messages": _native(request), "tools": [1]}).tool_calls
        # one call an answer: the label where the gate misses it, else the first
        chosen = made[-1 if "topic_missing" in request["messages"][-1]["content"] else 0]
        call = {"tool": chosen["name"], "arguments": chosen["arguments"]}
        jsonschema.validate({"call": call}, wanted["json_schema"]["schema"])
        return Reply(content=json.dumps({"call": call}))


def _native(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation as the teacher reads it, from plain messages."""
    native: list[dict[str, Any]] = []
    for number, message in enumerate(request["messages"]):
        text = str(message["content"])
        if message["role"] == "assistant":
            call = json.loads(text)["call"]
            function = {"name": call["tool"], "arguments": json.dumps(call["arguments"])}
            asked = {"id": str(number), "function": function}
            native.append({"role": "assistant", "tool_calls": [asked]})
        elif match := re.match(r"Result of \w+: ", text):
            result = text[match.end() :]
            native.append({"role": "tool", "tool_call_id": str(number - 1), "content": result})
        else:
            native.append(message)
    return native


@pytest.mark.parametrize("tools", ["schema", "auto"])
def test_calls_come_as_json_where_tools_are_ignored(
    tmp_path: Path, tools: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"budget__records": 2, "concurrency": 2, "conductor__tools": tools}
    with OpenAIServer(WithoutTools()) as server:
        run = small_run(server.base_url, **values)
        assert metasynth(*run, "--out", tmp_path / "run") == 0
        native = [request for request in server.requests if request.get("tools")]
        before = len(server.requests)
        more = small_run(server.base_url, **{**values, "budget__records": 3})
        assert metasynth(*more, "--out", tmp_path / "run") == 0
        again = [request for request in server.requests[before:] if request.get("tools")]
    assert len(corpus_of(tmp_path / "run")) == 3
    assert len(native) == (tools == "auto")
    assert again == []
    told = "".join(capsys.readouterr())
    assert told.count("answered without a tool call") == (tools == "auto")


def test_native_calls_alone_stop_the_run(tmp_path: Path) -> None:
    with OpenAIServer(WithoutTools()) as server:
        run = small_run(server.base_url, budget__records=2, conductor__tools="native")
        assert metasynth(*run, "--out", tmp_path / "run") == 1
        assert len(server.requests) <= 10


class Killing(WithoutTools):
    """Does something as soon as a call by schema is asked for, and answers that much later."""

    then: Callable[[], None] | None = None

    def __call__(self, request: dict[str, Any]) -> Reply:
        if request.get("response_format") and (then := self.then):
            self.then = None
            then()
            return replace(super().__call__(request), delay_s=3600)
        return super().__call__(request)


def test_killed_right_after_the_fallback_a_run_pays_nothing_twice(tmp_path: Path) -> None:
    teacher, out = Killing(), tmp_path / "run"
    with OpenAIServer(teacher) as server:
        run = small_run(server.base_url, budget__records=1, concurrency=1)
        with Command(*run, "--out", out, folder=tmp_path) as command:
            teacher.then = lambda: command.send(signal.SIGKILL)
            assert command.end().status == -signal.SIGKILL
        killed = len(server.requests)
        assert metasynth(*run, "--out", out) == 0
        native = [number for number, each in enumerate(server.requests) if each.get("tools")]
    assert len(corpus_of(out)) == 1
    assert len(native) == 1
    assert native[0] < killed


def test_one_turn_of_talk_does_not_end_native_calls_where_schemas_are_ignored(
    tmp_path: Path,
) -> None:
    with OpenAIServer(scripted("I would begin.", then=Teacher())) as server:
        run = small_run(server.base_url, budget__records=1, concurrency=1)
        assert metasynth(*run, "--out", tmp_path / "run") == 0
    assert len(corpus_of(tmp_path / "run")) == 1
    assert not (tmp_path / "run" / "tool_form.json").exists()
