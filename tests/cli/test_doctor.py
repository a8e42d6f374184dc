"""`doctor`, and what `run` makes sure of before it begins, over HTTP."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from metasynth.config.lines import place_of
from tests.bends.answers import THINKING, USAGE
from tests.bends.bend import Bend, Json, refusal
from tests.bends.requests import FIELDS, ROLES
from tests.commands import calls_in, corpus_of, metasynth, settings, small_run
from tests.openai_answers import Reply, failure
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

RUN = """\
domain: finance
seeds: {keywords: ["ledger, audit, clerk"]}
teacher:
  model: openai:test-model
conductor:
  tools: %s
"""
NO_TOOLS = Bend(
    "no tools",
    refuse=lambda body: refusal("test-model does not support tools") if "tools" in body else None,
)


def _talk(body: Json, completion: Json) -> Json:
    """A server that drops tools without a word."""
    message = completion["choices"][0]["message"]
    if message.pop("tool_calls", None):
        message["content"] = "I would ask an expert."
    return completion


def _by_schema(request: dict[str, Any]) -> Reply | str:
    """A model that calls by schema alone."""
    form = request.get("response_format")
    if not form:
        return Teacher()(request)
    if "call" in form["json_schema"]["schema"]["properties"]:
        return json.dumps({"call": {"tool": "give_up", "arguments": {"reason": "tired"}}})
    return json.dumps({"code": "K7", "wet": True})


class Examined:
    """What `doctor --json` says of a run file's only model."""

    def __init__(self, status: int, told: dict[str, Any], requests: int) -> None:
        self.status, self.requests = status, requests
        self.model = told["models"][0]
        self.problems = self.model["problems"]
        assert told["works"] == (status == 0)

    def __getitem__(self, name: str) -> str:
        return str(self.model["findings"][name]["value"])

    def words(self, name: str) -> str:
        """What stands beside a finding."""
        return str(self.model["findings"][name]["words"])


Examine = Callable[..., Examined]


@pytest.fixture
def examine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Examine:
    def examined(
        *bends: Bend,
        tools: str = "auto",
        responder: Any = None,
        url: str = "",
        **server: Any,
    ) -> Examined:
        path = tmp_path / "run.yaml"
        path.write_text(RUN % tools, encoding="utf-8")
        with OpenAIServer(responder or Teacher(), bends=bends, **server) as endpoint:
            status = metasynth(
                "doctor", path, "--json", *settings(teacher__base_url=url or endpoint.base_url)
            )
            return Examined(status, json.loads(capsys.readouterr().out), len(endpoint.requests))

    return examined


def test_a_model_that_takes_everything(examine: Examine) -> None:
    done = examine()
    assert done.status == 0 and not done.problems and done.requests <= 8
    assert done.model["parts"] == ["conductor", "experts"]
    for name in ("answers", "tools", "required_choice", "system_role", "temperature", "seed"):
        assert done[name] == "yes", name
    assert (done["usage"], done["thinking"], done["limits"]) == ("yes", "no", "yes")
    assert done["context_window"] == "unknown"
    assert done["json_schema"] == "no"


@pytest.mark.parametrize(
    ("bend", "finding"),
    [
        (FIELDS[0], "required_choice"),
        (ROLES[0], "system_role"),
        (FIELDS[3], "temperature"),
        (FIELDS[8], "seed"),
    ],
    ids=str,
)
def test_a_refusal_is_a_finding_in_the_servers_words(
    examine: Examine, bend: Bend, finding: str
) -> None:
    done = examine(bend)
    assert done.status == 0
    assert done[finding] == "refused"
    (adapted,) = done.model["adapted"]
    assert adapted["words"] and adapted["words"] in done.words(finding)
    assert done.requests <= 9


def test_thinking_in_the_text_and_counts_that_are_none(examine: Examine) -> None:
    done = examine(THINKING[0], USAGE[0])
    assert (done["thinking"], done["usage"]) == ("yes", "no")
    assert "in the text" in done.words("thinking")


@pytest.mark.parametrize(
    ("bends", "tools", "responder", "change", "fatal"),
    [
        ([NO_TOOLS], "native", None, ("conductor.policy", "fixed"), True),
        ([Bend("talk", change=_talk)], "auto", None, ("conductor.policy", "fixed"), True),
        ([Bend("talk", change=_talk)], "native", _by_schema, ("conductor.tools", "schema"), True),
        ([Bend("talk", change=_talk)], "auto", _by_schema, ("conductor.tools", "schema"), False),
        ([], "schema", None, ("conductor.tools", "native"), True),
    ],
    ids=["refused", "ignored", "schema helps", "falls back", "no schema"],
)
def test_a_conductor_that_cannot_call_is_told_what_to_write(
    examine: Examine,
    tmp_path: Path,
    bends: Sequence[Bend],
    tools: str,
    responder: Any,
    change: tuple[str, str],
    fatal: bool,
) -> None:
    done = examine(*bends, tools=tools, responder=responder)
    (problem,) = done.problems
    assert (problem["key"], problem["value"]) == change
    assert problem["fatal"] == fatal == (done.status == 1)
    assert problem["file"] == str(tmp_path / "run.yaml")
    assert problem["line"] == (6 if problem["key"] == "conductor.tools" else 5)


@pytest.mark.parametrize(
    ("server", "code", "key"),
    [
        ({"key": "sk-right"}, "wrong_key", "teacher.api_key_env"),
        ({"models": ("test-model-2",)}, "unknown_model", "teacher.model"),
        ({"url": "http://127.0.0.1:9/v1"}, "unreachable", "teacher.base_url"),
    ],
    ids=["401", "404", "nobody"],
)
def test_a_model_that_cannot_be_asked(
    examine: Examine, server: dict[str, Any], code: str, key: str
) -> None:
    done = examine(**server)
    assert done.status == 1 and done["answers"] == "no"
    assert done.model["code"] == code
    (problem,) = done.problems
    assert problem["key"] == key
    if code == "unknown_model":
        assert problem["value"] == "openai:test-model-2"


def test_thinking_that_eats_an_experts_limit(examine: Examine) -> None:
    def respond(request: dict[str, Any]) -> Reply | str:
        limit = request.get("max_tokens") or 10**6
        return Reply(content="", finish_reason="length") if limit < 100 else Teacher()(request)

    done = examine(responder=respond)
    (problem,) = done.problems
    assert done.status == 1 and done["limits"] == "no"
    assert (problem["key"], problem["value"]) == ("experts.max_tokens", "null")


def test_budget_calls_bounds_it(examine: Examine, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(RUN % "auto", encoding="utf-8")
    with OpenAIServer(Teacher()) as server:
        budget = settings(teacher__base_url=server.base_url, budget__calls=1)
        assert metasynth("doctor", path, *budget) == 0
        assert len(server.requests) == 1


def test_a_place_is_a_line_of_the_file_or_of_one_that_it_extends(tmp_path: Path) -> None:
    base, path = tmp_path / "base.yaml", tmp_path / "run.yaml"
    base.write_text("domain: x\nteacher:\n  temperature: 1\n  model: openai:a\n")
    path.write_text("extends: base.yaml\nteacher: {max_tokens: 5}\n")
    assert place_of(path, "teacher.model") == (base, 4, True)
    assert place_of(path, "teacher.max_tokens") == (path, 2, True)
    assert place_of(path, "conductor.tools") == (path, 3, False)
    assert place_of(path, "teacher.model", ["teacher.model=x"]) == ("--set", None, True)


class TestBeforeARun:
    @pytest.mark.parametrize(
        ("server", "code"),
        [
            ({"key": "sk-right"}, "wrong key"),
            ({"models": ("other",)}, "no model called"),
        ],
    )
    def test_nothing_is_written_where_no_model_can_be_asked(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        server: dict[str, Any],
        code: str,
    ) -> None:
        with OpenAIServer(Teacher(), **server) as endpoint:
            assert metasynth(*small_run(endpoint.base_url), "--out", tmp_path / "run") == 1
            assert len(endpoint.requests) <= 1
        error = capsys.readouterr().err
        assert code in error and error.count("\n") == 1
        assert not (tmp_path / "run").exists()

    def test_nobody_at_the_address(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = small_run("http://127.0.0.1:9/v1")
        assert metasynth(*run, "--out", tmp_path / "run") == 1
        assert "cannot reach" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()

    def test_a_call_that_was_needed_is_counted_and_never_made_again(self, tmp_path: Path) -> None:
        """A server that lists no such model may have it all the same."""

        class Quiet(OpenAIServer):
            async def _show_model(self, _: Any) -> Any:
                from aiohttp import web

                return web.json_response({"error": {"message": "no such path"}}, status=404)

        with Quiet(Teacher()) as server:
            run = small_run(server.base_url, budget__records=1, concurrency=1)
            assert metasynth(*run, "--out", tmp_path / "run") == 0
            paid = calls_in(tmp_path / "run")
            assert paid == len(server.requests)
            checks = [body for body in server.requests if "word yes" in str(body["messages"])]
            assert len(checks) == 1
            assert metasynth(*run, "--out", tmp_path / "run", *settings(budget__records=2)) == 0
            assert calls_in(tmp_path / "run") == len(server.requests)
            again = [body for body in server.requests if "word yes" in str(body["messages"])]
            assert len(again) == 1
        assert len(corpus_of(tmp_path / "run")) == 2

    def test_a_list_that_has_the_model_costs_no_call(self, tmp_path: Path) -> None:
        with OpenAIServer(Teacher()) as server:
            run = small_run(server.base_url, budget__records=1, concurrency=1)
            assert metasynth(*run, "--out", tmp_path / "run") == 0
            assert not any("word yes" in str(body["messages"]) for body in server.requests)

    def test_it_can_be_left_out(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with OpenAIServer(lambda _: failure("wrong_key"), key=None) as server:
            run = small_run(server.base_url, check_models="false", concurrency=1)
            assert metasynth(*run, "--out", tmp_path / "run") == 1
        assert (tmp_path / "run" / "run.yaml").exists()
