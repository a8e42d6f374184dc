"""Whole runs against endpoints that refuse something of a request: each ends in a good record."""

import json
from pathlib import Path

import pytest

from tests.bends.bend import Bend
from tests.bends.requests import FIELDS, FIELDS_BACK, REQUESTS, ROLES
from tests.commands import calls_in, corpus_of, metasynth, small_run
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer, scripted
from tests.teacher import Teacher

OWN = {"teacher__max_tokens": 4000, "teacher__extra_body": "{top_k: 5}"}


def _run(server: OpenAIServer, out: Path, **changes: object) -> int:
    run = small_run(server.base_url, **{"budget__records": 1, "concurrency": 1, **OWN, **changes})
    return metasynth(*run, "--out", out)


@pytest.mark.parametrize("bend", REQUESTS, ids=str)
def test_a_run_ends_in_a_good_record(bend: Bend, tmp_path: Path) -> None:
    with OpenAIServer(Teacher(), bends=[bend]) as server:
        assert _run(server, tmp_path / "run") == 0
        refused = sum(bend.refuse(body) is not None for body in server.requests)
        answered = len(server.requests) - refused
    assert len(corpus_of(tmp_path / "run")) == 1
    assert calls_in(tmp_path / "run") == answered
    assert refused <= 6


@pytest.mark.parametrize("bend", [FIELDS[0], FIELDS[3], ROLES[0]], ids=str)
def test_what_an_endpoint_refused_is_told_once_and_known_on_the_next_start(
    bend: Bend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer(Teacher(), bends=[bend]) as server:
        assert _run(server, tmp_path / "run") == 0
        told = capsys.readouterr().err.splitlines()
        assert sum("from now on" in line for line in told) == 1
        begun = len(server.requests)
        assert _run(server, tmp_path / "run", budget__records=2) == 0
        assert not any(bend.refuse(body) for body in server.requests[begun:])
        assert "from now on" not in capsys.readouterr().err
    known = json.loads((tmp_path / "run" / "adaptations.json").read_text())
    assert len(known) == 1


def test_many_chains_share_one_refusal(tmp_path: Path) -> None:
    bend = FIELDS[0]
    with OpenAIServer(Teacher(), bends=[bend], latency_s=0.01) as server:
        assert _run(server, tmp_path / "run", budget__records=8, concurrency=8) == 0
        assert sum(bend.refuse(body) is not None for body in server.requests) == 1


def test_a_turn_of_talk_goes_back_with_its_words(tmp_path: Path) -> None:
    with OpenAIServer(scripted("I would begin.", then=Teacher()), bends=[ROLES[3]]) as server:
        assert _run(server, tmp_path / "run", conductor__tools="native") == 0
        second = server.requests[1]["messages"]
    assert [message["content"] for message in second if message["role"] == "assistant"] == [
        "I would begin."
    ]


def test_what_came_from_one_endpoint_goes_to_no_other(tmp_path: Path) -> None:
    with OpenAIServer(Teacher(), bends=[FIELDS_BACK[1]]) as server:
        assert _run(server, tmp_path / "run") == 0
        conductor = [body for body in server.requests if body.get("tools")]
        assert "They want a document." in str(conductor[-1]["messages"])
        assert "received" not in str(conductor[-1]["messages"])


def test_null_in_the_run_file_keeps_a_roles_settings_from_being_sent(tmp_path: Path) -> None:
    unsent = {
        f"{part}__{name}": "null"
        for part in ("teacher", "conductor")
        for name in ("temperature", "max_tokens")
    }
    with OpenAIServer(Teacher()) as server:
        assert _run(server, tmp_path / "run", **unsent) == 0
        sent = {name for body in server.requests for name in body}
    assert not sent & {"temperature", "max_tokens"}


def test_settings_that_are_known_beforehand_cost_no_refusal(tmp_path: Path) -> None:
    known = {
        "teacher__tool_choice": "auto",
        "teacher__token_limit_field": "max_completion_tokens",
        "teacher__system_role": "false",
        "teacher__send_seed": "false",
    }
    bends = [FIELDS[0], FIELDS[4], FIELDS[8], ROLES[0]]
    with OpenAIServer(Teacher(), bends=bends) as server:
        assert _run(server, tmp_path / "run", **known) == 0
        assert not any(bend.refuse(body) for bend in bends for body in server.requests)


def test_a_refusal_that_nothing_mends_ends_with_the_servers_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "seed, temperature and everything else is refused today"
    refusing = Bend("all", refuse=lambda _: Reply(status=400, raw_body=words))
    with OpenAIServer(Teacher(), bends=[refusing]) as server:
        assert _run(server, tmp_path / "run") == 1
        assert len(server.requests) <= 9
    assert words in capsys.readouterr().err
    known = tmp_path / "run" / "adaptations.json"
    assert json.loads(known.read_text()) == {}
