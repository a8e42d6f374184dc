"""`langgraph dev` serves the graphs of langgraph.json, draws their forms and runs them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from metasynth.errors import RequestError
from metasynth.graphs.studio import config_of
from metasynth.graphs.workspace import RunContext
from tests import active_runs
from tests.commands import fast_embedder
from tests.instruct_runs import InstructTeacher
from tests.openai_server import OpenAIServer
from tests.raising import raises
from tests.softsrv_runs import QuestionTeacher, run_file
from tests.teacher import Teacher

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "studio"
DEADLINE_S = 200
KEY = "sk-a-key-of-the-environment"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(client: httpx2.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server says that it is ready."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/ok").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    port = free_port()
    log = tmp_path_factory.mktemp("studio") / "log"
    before = set(RUNS.glob("*"))
    quiet = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}
    command = [Path(sys.executable).with_name("langgraph"), "dev", "--no-browser", "--no-reload"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*map(str, command), "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, **quiet, "LANGSMITH_TRACING": "false", "OPENAI_API_KEY": KEY},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx2.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as client:
            answers(client, process, log)
            yield client
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in (0, -signal.SIGINT, 130), log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for folder in set(RUNS.glob("*")) - before:
            shutil.rmtree(folder)


def post(client: httpx2.Client, path: str, body: dict[str, Any]) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_lists_the_graphs_and_their_forms(studio: httpx2.Client) -> None:
    found = {each["graph_id"]: each for each in post(studio, "/assistants/search", {})}
    outputs = {"document": "outcome", "corpus": "accepted", "softsrv": "accepted"}
    assert set(found) == set(json.loads((ROOT / "langgraph.json").read_text())["graphs"])
    assert {"active", "document", "corpus", "instruct", "softsrv", "template"} <= set(found)
    for name, assistant in found.items():
        schemas = studio.get(f"/assistants/{assistant['assistant_id']}/schemas").json()
        form = schemas["context_schema"]["properties"]
        assert outputs.get(name, "outcome") in schemas["output_schema"]["properties"] or (
            name == "active"
        )
        assert {"domain", "teacher", "records", "roles", "review", "run_file"} <= set(form)
        for field in (*form.values(), *schemas["input_schema"]["properties"].values()):
            assert field["title"] and field["description"] and "default" in field, (name, field)
        nodes = studio.get(f"/assistants/{assistant['assistant_id']}/graph").json()["nodes"]
        assert len(nodes) >= 5
    drawn = studio.get(f"/assistants/{found['document']['assistant_id']}/graph").json()
    names = {node["id"] for node in drawn["nodes"]}
    assert {"brief", "conductor", "consult", "decide", "gate", "approve", "admit"} <= names
    at = f"/assistants/{found['softsrv']['assistant_id']}/graph"
    inside = {node["id"] for node in studio.get(at, params={"xray": True}).json()["nodes"]}
    assert {"sample", "candidate:answer", "candidate:approve"} <= inside


@pytest.mark.parametrize("graph", ["template", "document", "instruct"])
def test_it_runs_one(studio: httpx2.Client, graph: str) -> None:
    with OpenAIServer(InstructTeacher() if graph == "instruct" else Teacher()) as server:
        thread = post(studio, "/threads", {})["thread_id"]
        context = {"teacher": "openai:test", "base_url": server.base_url, "records": 1}
        request = {"assistant_id": graph, "input": {}, "context": context}
        result = post(studio, f"/threads/{thread}/runs/wait", request)
        state = studio.get(f"/threads/{thread}/state").json()
    assert result.get("outcome") == "accepted", (result, state)
    assert state["values"]["outcome"] == "accepted"
    assert state["values"]["record_id"]
    assert not state["next"]
    if graph == "document":
        assert state["values"]["artifacts"]["draft-1"]["text"]
    assert {request["model"] for request in server.requests} == {"test"}


def test_it_runs_questions_through_all_stages(studio: httpx2.Client, tmp_path: Path) -> None:
    path = run_file(tmp_path)
    with OpenAIServer(QuestionTeacher()) as server:
        model = f'{{model: "openai:test", base_url: "{server.base_url}"}}'
        text = path.read_text().replace('{model: "openai:test"}', model)
        path.write_text(text.replace("softsrv:\n", "softsrv:\n  method: template\n"))
        thread = post(studio, "/threads", {})["thread_id"]
        request = {
            "assistant_id": "softsrv",
            "input": {"chains": 3},
            "context": {"run_file": str(path)},
        }
        result = post(studio, f"/threads/{thread}/runs/wait", request)
    assert result.get("accepted") == 8, result
    assert result["stopped_because"] == "budget.records: all records are written"
    assert (result["contexts"], result["samples"]) == (12, 30)


def test_it_runs_rounds(studio: httpx2.Client, tmp_path: Path) -> None:
    path = active_runs.run_file(tmp_path)
    with OpenAIServer(active_runs.ProblemTeacher()) as server:
        written = path.read_text().replace(
            '"openai:test"', f'"openai:test", base_url: "{server.base_url}"'
        )
        written = written.replace(
            "student: {", f"student: {{model: 'local:{active_runs.tiny_student()}', "
        )
        path.write_text(f"{written}memory: {{embedder: '{fast_embedder()}'}}\n")
        thread = post(studio, "/threads", {})["thread_id"]
        request = {
            "assistant_id": "active",
            "input": {"chains": 2},
            "context": {"run_file": str(path)},
        }
        result = post(studio, f"/threads/{thread}/runs/wait", request)
    assert result["stopped_because"] == "rounds: all are done", result
    assert result["accepted"] + result["rejected"] == active_runs.ROUNDS * active_runs.ROWS


def streamed(client: httpx2.Client, thread: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a run's stream tells."""
    request = {"stream_mode": ["updates"], **body}
    with client.stream("POST", f"/threads/{thread}/runs/stream", json=request) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def questions(client: httpx2.Client, thread: str) -> list[dict[str, Any]]:
    """The interrupts that wait for an answer."""
    state = client.get(f"/threads/{thread}/state").json()
    return [asked for task in state["tasks"] for asked in task["interrupts"]]


def test_a_person_decides_and_history_can_be_forked(studio: httpx2.Client) -> None:
    with OpenAIServer(Teacher()) as server:
        thread = post(studio, "/threads", {})["thread_id"]
        form = {"teacher": "openai:test", "base_url": server.base_url, "review": True}
        run = {"assistant_id": "document", "context": form}
        passed = [name for told in streamed(studio, thread, {**run, "input": {}}) for name in told]
        begun = passed.index("brief")
        assert passed[begun + 1] == "conductor" and passed[-1] == "__interrupt__"
        (asked,) = questions(studio, thread)
        assert asked["value"]["decisions"] == ["accept", "edit", "reject", "send_back"]
        assert asked["response_schema"]["properties"]["decision"]["enum"]
        words = asked["value"]["draft"]["text"].split()
        edit = {"decision": "edit", "text": " ".join(words[:3])}
        post(studio, f"/threads/{thread}/runs/wait", {**run, "command": {"resume": edit}})
        (again,) = questions(studio, thread)
        assert again["value"]["last_try"]["refused"].startswith("too_short")
        accept = {**run, "command": {"resume": "accept"}}
        result = post(studio, f"/threads/{thread}/runs/wait", accept)
        assert result["outcome"] == "accepted"
        state = studio.get(f"/threads/{thread}/state").json()["values"]
        assert state["review"]["decision"] == "accept"
        assert {message["type"] for message in state["messages"]} == {"human", "ai", "tool"}
        assert len(json.dumps(state)) < 64 * 1024

        history = studio.get(f"/threads/{thread}/history", params={"limit": 100}).json()
        before = next(each for each in history if each["next"] == ["score"])
        paid = len(server.requests)
        fork = {**run, "checkpoint": {"checkpoint_id": before["checkpoint"]["checkpoint_id"]}}
        post(studio, f"/threads/{thread}/runs/wait", {**fork, "input": None})
        (asked,) = questions(studio, thread)
        reject = {**run, "command": {"resume": "reject: on second thoughts"}}
        result = post(studio, f"/threads/{thread}/runs/wait", reject)
        assert result["reason"] == "review: on second thoughts"
        assert len(server.requests) == paid


def test_chains_ask_at_the_same_time(studio: httpx2.Client) -> None:
    with OpenAIServer(Teacher()) as server:
        thread = post(studio, "/threads", {})["thread_id"]
        form = {"teacher": "openai:test", "base_url": server.base_url, "review": True, "records": 2}
        run = {"assistant_id": "corpus", "context": form}
        post(studio, f"/threads/{thread}/runs/wait", {**run, "input": {"chains": 2}})
        first, second = questions(studio, thread)
        answers = {first["id"]: "reject: dull", second["id"]: "accept"}
        post(studio, f"/threads/{thread}/runs/wait", {**run, "command": {"resume": answers}})
        while asked := questions(studio, thread):
            answers = {each["id"]: "accept" for each in asked}
            body = {**run, "command": {"resume": answers}}
            result = post(studio, f"/threads/{thread}/runs/wait", body)
    assert result["accepted"] >= 2 and result["rejected"] == 1, result
    assert result["stopped_because"] == "budget.records: all records are written"


STUDIO = "https://smith.langchain.com"
EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": EVIL, "x-auth-scheme": "langsmith"},
        {"origin": "https://smith.langchain.com.evil.example"},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:2024"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
def test_no_other_page_reads_or_drives_it(studio: httpx2.Client, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/info"), ("POST", "/threads/search"), ("OPTIONS", "/threads")):
        asked = {**headers, "access-control-request-method": "POST"}
        answer = studio.request(method, path, headers=asked)
        assert answer.status_code == 403, (method, path, answer.text)
        assert "access-control-allow-origin" not in answer.headers


def test_studios_own_page_passes(studio: httpx2.Client) -> None:
    asked = {
        "origin": STUDIO,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-auth-scheme",
        "access-control-request-private-network": "true",
    }
    preflight = studio.options("/threads/search", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == STUDIO
    assert preflight.headers["access-control-allow-private-network"] == "true"
    sent = {"origin": STUDIO, "x-auth-scheme": "langsmith", "sec-fetch-site": "cross-site"}
    answer = studio.post("/threads/search", json={}, headers=sent)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == STUDIO
    own = {"origin": str(studio.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert studio.post("/threads/search", json={}, headers=own).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "checker: evil.py",
        "plugins: .",
        f"conductor: {{base_url: '{EVIL}'}}",
        "student: {trust_remote_code: true}",
        "active: {pool: {path: a.jsonl}, test: {path: a.jsonl, checker: evil.py}}",
    ],
)
def test_a_form_starts_no_run_that_loads_code_or_sends_keys_elsewhere(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jsonl").write_text("")
    run_file = tmp_path / "run.yaml"
    run_file.write_text(f"domain: d\nseeds: {{keywords: [a]}}\n{text}\n")
    with raises(RequestError, "not_from_a_form"):
        config_of(RunContext(run_file=str(run_file)), "template")
    monkeypatch.setenv("METASYNTH_STUDIO_TRUST", "1")
    assert config_of(RunContext(run_file=str(run_file)), "template").domain.name == "d"


def test_the_address_of_a_form_gets_no_key_and_its_quotes_are_kept(studio: httpx2.Client) -> None:
    with OpenAIServer(Teacher()) as server:
        form = {"teacher": "openai:test", "base_url": server.base_url, "records": 1}
        told = run_once(studio, {**form, "domain": 'the baker\'s "rye": 100 % 麦'})
        assert told["outcome"] == "accepted", told
    assert server.received
    assert not [each for each in server.received if KEY in str(each.headers)]


def run_once(studio: httpx2.Client, context: dict[str, Any]) -> Any:
    thread = post(studio, "/threads", {})["thread_id"]
    request = {"assistant_id": "template", "input": {}, "context": context}
    return studio.post(f"/threads/{thread}/runs/wait", json=request).json()
